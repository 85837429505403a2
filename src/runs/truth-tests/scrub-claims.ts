import type { ScrubValues } from '../../methods/index.ts'
import {
  type CompiledModel,
  interchangeExplains,
  type KnownHypothesis,
  type Part,
  positionsRead,
} from '../../models/compiled/index.ts'
import type { MethodClaims, TruthRun } from './claims.ts'
import { questionPrompts } from './question-claims.ts'

/** Inputs of the enumeration: all of them, where there are no more. */
const INPUTS = 64

/**
 * What causal scrubbing claims of a hypothesis: the share of the loss that it recovers on the data. True is the share of the predictions that it explains
 * on all inputs, each as likely as another. Below 0 a hypothesis is worse than none, however much.
 */
export const scrubClaims: MethodClaims<ScrubValues> = {
  claims:
    'every hypothesis that comes with a model (or, of heads that act through an MLP alone: all of them, and each by itself), with the share of the mean loss that it recovers on its data',
  truth:
    'the share of the KL of its predictions that it explains when all inputs are equally likely, by enumerating every exchange that it allows',
  // That permuted features do worse is about the features, not about how much the hypothesis explains; and an interval may be wider than
  // 'enough samples' allows and still be narrower than the tolerance of a claim.
  watchedBy: [
    'the model knows more than random examples tell',
    'per-example KL tells the same as the mean loss',
    'something is exchanged',
    'the data vary every input by itself',
  ],
  runs: (compiled) =>
    hypothesesOf(compiled).map((known): TruthRun<ScrubValues> => {
      const inputs = compiled.inputs(INPUTS)
      const read = new Map(known.dependsOn.map((part) => [part, known.tokens ?? positionsRead(compiled, part, inputs)]))
      const positions = [...new Set([...read.values()].flat())]
      const name = `${known.dependsOn.join(' and ')} from the token${positions.length > 1 ? 's' : ''} at ${positions.join(', ')}`
      const explained = interchangeExplains(compiled, known.dependsOn, positions, inputs)
      return {
        prompts: questionPrompts(compiled.questions),
        parameters: { hypothesis: hypothesisOf(compiled, known, read) },
        truth: [{ name, share: Math.max(0, explained) }],
        read: ({ recovered: { recovered } }) => [{ name, share: Math.max(0, recovered) }],
      }
    }),
}

type Known = Pick<KnownHypothesis, 'dependsOn' | 'tokens'>

/** What is known of a model, or what can be said of heads that nothing but the MLP above them reads. */
function hypothesesOf({ truth: { hypotheses, matters, edges } }: CompiledModel): readonly Known[] {
  if (hypotheses.length > 0) return hypotheses
  const heads = matters.filter((part) => part.includes('H'))
  const read = edges.filter(({ from }) => heads.some((head) => head === from))
  if (heads.length < 2 || read.some(({ to }) => to !== 'L0MLP')) return []
  return [{ dependsOn: heads }, ...heads.map((head) => ({ dependsOn: [head] }))]
}

/** A node for every part; an MLP that is not one of them reads them. */
function hypothesisOf({ config }: CompiledModel, { dependsOn }: Known, read: ReadonlyMap<Part, readonly number[]>) {
  const together = (positions: readonly number[]) => ({ all: positions.map((token) => ({ token })) })
  const nodes = dependsOn.map((part) => ({
    name: part,
    parts: [part],
    positions: [-1],
    feature: together(read.get(part)!),
  }))
  if (config.attn_only || dependsOn.some((part) => part.endsWith('MLP'))) return { output: dependsOn, nodes }
  const combined = {
    name: 'L0MLP',
    parts: ['L0MLP'],
    positions: [-1],
    feature: together([...new Set([...read.values()].flat())]),
    inputs: dependsOn,
  }
  return { output: [combined.name], nodes: [combined, ...nodes] }
}
