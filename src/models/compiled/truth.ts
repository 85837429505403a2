import type { CompiledModel, CompiledPair } from './compiled-model.ts'
import { add, type Matrix, scale, zeros } from './matrix.ts'
import { type Edge, edgeName, type Part, parsePart } from './parts.ts'
import type { Circuit } from './place.ts'
import { type Interventions, type ReferenceRun, referenceRun } from './reference.ts'

/** A part or an edge counts from this share of the difference between clean and corrupted prompt. */
export const MATTERS_FROM = 0.05

/** What exact interventions on one part do. */
export interface PartEffect {
  readonly part: Part
  /** Per pair, the share of the answer that patching the part in from the corrupted prompt destroys: is it needed? */
  readonly noising: readonly number[]
  /** Per pair, the share that patching it in from the clean prompt restores: is it enough? */
  readonly denoising: readonly number[]
  /** Per question, the change of the logit difference when what the part holds is 0 at all positions. */
  readonly zero: readonly number[]
  /** Per question, the same for its mean over the questions, position by position. */
  readonly mean: readonly number[]
}

/** What exact path patching does along one edge: shares as in `PartEffect`. */
export interface EdgeEffect {
  readonly edge: Edge
  readonly noising: readonly number[]
  readonly denoising: readonly number[]
}

/** All heads, MLP layers and (asked for) neurons of a circuit. */
export function partsOf({ layers }: Circuit, withNeurons = false): Part[] {
  return layers.flatMap(({ heads, mlp }, l) => [
    ...heads.map((_, h): Part => `L${l}H${h}`),
    ...(mlp && withNeurons ? Array.from({ length: mlp.writes.rows }, (_, n): Part => `L${l}N${n}`) : []),
    ...(mlp ? [`L${l}MLP` as const] : []),
  ])
}

/** Every edge that a circuit could have: from embeddings and parts to later parts and the logits. Neurons count as their layer. */
export function edgesOf(circuit: Circuit): Edge[] {
  const senders: Edge['from'][] = ['embed']
  const edges: Edge[] = []
  circuit.layers.forEach(({ heads, mlp }, l) => {
    const receivers = heads.map((_, h): Part => `L${l}H${h}`)
    for (const from of senders) {
      for (const to of receivers) for (const via of ['q', 'k', 'v'] as const) edges.push({ from, to, via })
    }
    senders.push(...receivers)
    if (!mlp) return
    for (const from of senders) edges.push({ from, to: `L${l}MLP`, via: 'in' })
    senders.push(`L${l}MLP`)
  })
  return [...edges, ...senders.map((from): Edge => ({ from, to: 'logits', via: 'in' }))]
}

/** Intervenes on every part (neurons too, where asked for), on every pair and question: the exact effects. */
export function trueEffects(
  model: CompiledModel,
  { neurons = false }: { readonly neurons?: boolean } = {},
): PartEffect[] {
  const { circuit, questions } = model
  const pairs = model.pairs.map((pair) => runPair(circuit, pair, []))
  const plain = questions.map(({ ids }) => referenceRun(circuit, ids))
  return partsOf(circuit, neurons).map((part) => {
    const patch = (base: ReferenceRun, from: ReferenceRun): Interventions => ({
      set: new Map([...unmoved(base, part), [part, from.held.get(part)!]]),
    })
    const change = (value: Matrix) =>
      questions.map((question, i) => {
        const set = new Map([...unmoved(plain[i]!, part), [part, value]])
        return (
          logitDifference(referenceRun(circuit, question.ids, { set }), question) - logitDifference(plain[i]!, question)
        )
      })
    const mean = meanOf(plain.map((run) => run.held.get(part)!))
    return {
      part,
      noising: pairs.map((pair) => pair.destroyed(patch(pair.clean, pair.corrupt))),
      denoising: pairs.map((pair) => pair.restored(patch(pair.corrupt, pair.clean))),
      zero: change(zeros(mean.rows, mean.columns)),
      mean: change(mean),
    }
  })
}

/** Patches every edge on every pair: the exact effects. `without`: parts held at 0 in all runs, clean ones too. */
export function trueEdges(
  { circuit, pairs }: CompiledModel,
  { without = [] }: { readonly without?: readonly Part[] } = {},
): EdgeEffect[] {
  const runs = pairs.map((pair) => runPair(circuit, pair, without))
  const gone = new Set<string>(without)
  const edges = edgesOf(circuit).filter(({ from, to }) => !gone.has(from) && !gone.has(to))
  return edges.map((edge) => {
    const along = (base: ReferenceRun, { held }: ReferenceRun): Interventions => ({
      set: unmoved(base, edge.to),
      edges: [{ edge, value: held.get(edge.from)! }],
    })
    return {
      edge,
      noising: runs.map((pair) => pair.destroyed(along(pair.clean, pair.corrupt))),
      denoising: runs.map((pair) => pair.restored(along(pair.corrupt, pair.clean))),
    }
  })
}

/** What heads and MLP layers hold that nothing done to a part can reach: they need not be computed again. */
export function unmoved({ held }: ReferenceRun, changed: Edge['to']): Map<Part, Matrix> {
  const depth = (part: string) => {
    const { layer, kind } = parsePart(part)
    return 2 * layer + (kind === 'head' ? 0 : 1)
  }
  const from = changed === 'logits' ? Number.POSITIVE_INFINITY : depth(changed)
  const kept = new Map<Part, Matrix>()
  for (const [part, value] of held) {
    if (part === 'embed' || part === changed || parsePart(part).kind === 'neuron') continue
    // Parts of one depth do not see each other.
    if (depth(part) < from || (depth(part) === from && parsePart(part).kind === 'head')) kept.set(part, value)
  }
  return kept
}

/** The edges through which some pair's answer passes, as enumerated. */
export function edgesThatMatter(effects: readonly EdgeEffect[]): string[] {
  return effects.filter(changesAnswer).map(({ edge }) => edgeName(edge))
}

/** Whether patching changes the answer of some pair by `MATTERS_FROM` or more. */
export function changesAnswer({ noising, denoising }: Pick<PartEffect, 'noising' | 'denoising'>): boolean {
  return [...noising, ...denoising].some((share) => Math.abs(share) >= MATTERS_FROM)
}

/** Two runs of a pair, and what interventions do to them, as shares of the difference between them without any. */
function runPair(circuit: Circuit, pair: CompiledPair, without: readonly Part[]) {
  const whole = [pair.clean, pair.corrupt].map((ids) => referenceRun(circuit, ids)) as [ReferenceRun, ReferenceRun]
  const gone = new Map(
    without.map((part) => {
      const { rows, columns } = whole[0].held.get(part)!
      return [part, zeros(rows, columns)] as const
    }),
  )
  const run = (ids: readonly number[], { set, edges }: Interventions = {}) =>
    referenceRun(circuit, ids, { set: new Map([...gone, ...(set ?? [])]), edges })
  const [clean, corrupt] = [run(pair.clean), run(pair.corrupt)]
  const difference = logitDifference(whole[0], pair) - logitDifference(whole[1], pair)
  const change = (before: ReferenceRun, after: ReferenceRun) =>
    (logitDifference(after, pair) - logitDifference(before, pair)) / difference
  return {
    clean,
    corrupt,
    destroyed: (interventions: Interventions) => -change(clean, run(pair.clean, interventions)),
    restored: (interventions: Interventions) => change(corrupt, run(pair.corrupt, interventions)),
  }
}

/** logit(answer) - logit(wrong) of a run. */
export function logitDifference(
  { logits }: ReferenceRun,
  { answer, wrong }: { readonly answer: number; readonly wrong: number },
): number {
  return logits[answer]! - logits[wrong]!
}

/** The mean of matrices of one size. */
export function meanOf(matrices: readonly Matrix[]): Matrix {
  const sum = matrices.reduce((total, matrix) => add(total, matrix))
  return scale(1 / matrices.length, sum)
}
