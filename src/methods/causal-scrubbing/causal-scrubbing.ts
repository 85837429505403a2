/**
 * Causal scrubbing: is this explanation of what the model does right?
 *
 * A hypothesis is a graph: nodes (parts of the model at positions), what each reads that matters, and the feature of the example that it depends on.
 * If it is right, a node may be taken from any other example that agrees on the feature, and everything that the hypothesis leaves out from any example
 * at all. For every sample, from the logits down: an input's stand-in is drawn among the examples that agree with its reader's on the input's
 * feature; a node with inputs is run on a random example, in which it reads its inputs' stand-ins and else what that example holds; a node
 * without is taken from its stand-in as it is.
 *
 *     recovered = (loss of random examples - scrubbed loss) / (loss of random examples - the model's loss)
 *
 * beside the KL from the model's own prediction, example by example. All stand-ins are runs of real examples; norms are computed anew.
 *
 * Paper: Chan et al. 2022, "Causal scrubbing: a method for rigorously testing interpretability hypotheses".
 *
 * How it misleads: errors that cancel in the mean loss pass (the KL does not cancel); what the data do not vary, or vary together, is
 * never exchanged; a feature that few examples share exchanges an example for itself; leaving parts out that work against the answer recovers
 * more than 100%; two hypotheses that allow the same exchanges cannot be told apart. It tests what is enough, not that all is named.
 */
import { DiopterError, throwIfAborted } from '../../errors/index.ts'
import type { Model, TokenizedPrompt } from '../../lab/index.ts'
import { randomStream } from '../../lab/sampling.ts'
import type { Check } from '../shared/checks.ts'
import { CANCELLED_CHECKS, partialResults, type Standing, unlessCancelled } from '../shared/keep-done.ts'
import type { MethodOptions } from '../shared/options.ts'
import { type NamedToken, namedToken, type Question } from '../shared/question.ts'
import { Meter, type MethodResult } from '../shared/result.ts'
import { mean, shuffledIndices } from '../shared/statistics.ts'
import { type DataBalance, dataBalance, redrawn } from './data-balance.ts'
import { describeFeature, type Feature, isComputed } from './features.ts'
import { type Hypothesis, type PlannedInput, type PlannedNode, planHypothesis } from './hypothesis.ts'
import { scrubChecks } from './scrub-checks.ts'
import {
  klOf,
  klRecovered,
  logProbabilities,
  lossRecovered,
  quantile,
  type RecoveredShare,
  recoveredBySize,
  recoveredShare,
  type SampleOutcome,
} from './scrub-measures.ts'
import { type PlainRuns, plainRuns, scrubbedLogits } from './scrub-runs.ts'
import { type DrawnNode, type DrawnTree, drawTree, type LabelOf, labelsOf } from './scrub-tree.ts'

/** How a hypothesis is tested. */
export interface ScrubOptions extends MethodOptions {
  /** Samples that are drawn; 256 unless said. */
  readonly samples?: number | undefined
}

/** A node of the hypothesis, as it was tested. */
export interface ScrubbedNode {
  readonly name: string
  readonly parts: readonly string[]
  readonly positions: readonly number[]
  /** In words; null where it depends on the whole example. */
  readonly feature: string | null
  /** How many different values the feature has on the data. */
  readonly values: number
  /** Of the examples that stood in, the share that were other ones. */
  readonly exchanged: number
  readonly inputs: readonly string[] | null
}

/** What causal scrubbing gives. */
export interface ScrubValues {
  readonly output: readonly string[]
  readonly nodes: readonly ScrubbedNode[]
  readonly examples: number
  readonly samples: number
  /** Mean losses in nats. */
  readonly loss: { readonly model: number; readonly random: number; readonly scrubbed: number }
  /** The share of the loss that is recovered, with its 95% interval. */
  readonly recovered: RecoveredShare
  /** KL from the model's prediction, per sample, and of random examples; `recovered` is 1 - mean / random mean. */
  readonly kl: {
    readonly mean: number
    readonly median: number
    readonly high: number
    readonly randomMean: number
    readonly randomMedian: number
    readonly recovered: number
  }
  /** What the first samples say. */
  readonly bySize: readonly (RecoveredShare & { readonly samples: number })[]
  /** The hypothesis with every feature's values permuted among the examples (four permutations); null where none varies, or not done. */
  readonly control: (RecoveredShare & { readonly kl: number }) | null
  /** What the data hide, and the share of the KL that is recovered once it is drawn anew; null where nothing is hidden, or not done. */
  readonly balance: DataBalance & { readonly recovered: number | null }
  /** The samples whose prediction changed most, one per example. */
  readonly worst: readonly (SampleOutcome & { readonly tokens: readonly string[]; readonly answer: NamedToken })[]
}

const DEFAULT_SAMPLES = 256
const WORST = 8
/** Permutations that the control's samples are shared out over: one alone may happen to be like the features. */
const CONTROLS = 4
/** How often data that hide inputs are drawn anew, with half the samples each: few examples leave much to chance. */
const REDRAWS = 4

/** Tests a hypothesis on examples of one length, each with its answer. Throws for examples and hypotheses that do not fit. */
export async function causalScrubbing(
  model: Model,
  questions: readonly Question[],
  hypothesis: Hypothesis,
  options: ScrubOptions = {},
): Promise<MethodResult<ScrubValues>> {
  const { seed = 0, samples = DEFAULT_SAMPLES, signal } = options
  const meter = new Meter(model)
  const { prompts, answers } = prepare(model, questions, options.prependBos)
  const ids = prompts.map((prompt) => prompt.ids)
  const inputs = planHypothesis(model.config, hypothesis, ids[0]!.length)
  const nodes = nodesOf(inputs)
  if (model.config.post_norms && nodes.some(({ senders }) => senders.some(({ kind }) => kind === 'head')))
    throw new DiopterError(
      'This model norms what its heads write together, so a head has no part of the stream of its own to exchange; name MLPs or the embedding.',
    )
  const examplesOf = (data: readonly (readonly number[])[]) => data.map((own, index) => ({ index, ids: own }))
  const labels = labelsOf(examplesOf(ids), hypothesis.labels ?? {})
  const taken = nodes.filter((node) => node.inputs === null).flatMap(({ senders }) => senders)
  const run = (data: readonly (readonly number[])[]) => plainRuns(data, [...new Set(taken)], options, meter)
  const scrub = async (plain: PlainRuns, label: LabelOf, own: number, count = samples) => {
    const tree = drawTree(inputs, count, plain.ids.length, label, randomStream(own))
    return { tree, logits: await scrubbedLogits(model, plain, tree, options, meter) }
  }
  const answerIds = answers.map(({ id }) => id)
  const plain = await run(ids)
  const main = await scrub(plain, labels, seed)
  const outcomes = outcomesOf(plain, main.tree, main.logits, answerIds)
  const features = nodes.flatMap(({ feature }) => (feature === undefined ? [] : [feature]))
  const balance = dataBalance(ids)
  const soFar: { control: ScrubValues['control']; balanced: number | null } = { control: null, balanced: null }
  const tested = nodes.map((node) => describeNode(node, main.tree, labels))
  const provenance = model.provenance({ prompts, seed })
  const assemble = (standing: Standing): MethodResult<ScrubValues> => ({
    values: {
      output: hypothesis.output,
      nodes: tested,
      examples: ids.length,
      samples,
      ...summary(outcomes, seed),
      control: soFar.control,
      balance: { ...balance, recovered: soFar.balanced },
      worst: worstOf(outcomes).map((outcome) => ({
        ...outcome,
        tokens: prompts[outcome.example]!.tokens,
        answer: answers[outcome.example]!,
      })),
    },
    cost: meter.cost,
    edits: meter.edits,
    provenance,
    ...standing,
  })
  const onPartial = partialResults(options, (_, standing) => assemble(standing))
  const report = (done: number) => {
    options.onProgress?.({ phase: 'scrubbing', done, total: 3, unit: 'data sets' })
    onPartial?.([])
    throwIfAborted(signal)
  }
  const work = async (): Promise<readonly Check[]> => {
    report(1)
    if (features.some((feature) => new Set(labels(feature)).size > 1)) {
      const own: SampleOutcome[] = []
      for (let i = 0; i < CONTROLS; i++) {
        const control = await scrub(plain, permuted(labels, seed + i), seed + i, Math.ceil(samples / CONTROLS))
        own.push(...outcomesOf(plain, control.tree, control.logits, answerIds))
      }
      soFar.control = { ...recoveredShare(own, seed), kl: klRecovered(own) }
    }
    report(2)
    if (balance.hidden.length > 0 && features.every(isComputed)) {
      const own: SampleOutcome[] = []
      for (let i = 0; i < REDRAWS; i++) {
        const data = await run(redrawn(ids, balance, seed + i))
        const fresh = await scrub(data, labelsOf(examplesOf(data.ids), {}), seed + i, Math.ceil(samples / 2))
        // The answers to these prompts are not known: only predictions are compared.
        own.push(...outcomesOf(data, fresh.tree, fresh.logits, null))
      }
      soFar.balanced = klRecovered(own)
    }
    const { loss, recovered, kl } = summary(outcomes, seed)
    return scrubChecks({
      difference: loss.random - loss.model,
      loss: recovered,
      klRecovered: kl.recovered,
      medianKl: kl.median,
      highKl: kl.high,
      exchanged: tested.flatMap(({ name, feature, exchanged }) =>
        feature === null ? [] : [{ name, share: exchanged }],
      ),
      control: soFar.control,
      balance,
      balanced: soFar.balanced,
    })
  }
  const checks = await unlessCancelled(signal, work)
  return assemble({ checks: checks ?? CANCELLED_CHECKS, complete: checks !== null })
}

/** Examples as the model reads them, with their answers. */
function prepare(model: Model, questions: readonly Question[], prependBos: boolean | undefined) {
  const prompts: TokenizedPrompt[] = questions.map(({ prompt }) => model.tokenize(prompt, prependBos))
  const lengths = [...new Set(prompts.map(({ ids }) => ids.length))]
  if (lengths.length > 1)
    throw new DiopterError(
      `Examples stand in for each other position by position, but these have ${lengths.join(', ')} tokens. Give examples of one length.`,
    )
  if (questions.length < 2)
    throw new DiopterError(
      `Scrubbing exchanges examples for each other; ${questions.length} was given, at least 2 are needed.`,
    )
  const answers = questions.map(({ answer }, i) => {
    if (answer === undefined)
      throw new DiopterError(`Example ${i} has no answer: the loss is that of the answer at the last position.`)
    return namedToken(model, answer)
  })
  return { prompts, answers }
}

/** All nodes, each once, inputs before their readers. */
function nodesOf(inputs: readonly PlannedInput[]): PlannedNode[] {
  return [...new Set(inputs.flatMap(({ node }) => [...nodesOf(node.inputs ?? []), node]))]
}

function describeNode(node: PlannedNode, tree: DrawnTree, labels: LabelOf): ScrubbedNode {
  const shares: boolean[] = []
  const visit = (drawn: DrawnNode, readers: readonly number[]) => {
    if (drawn.node === node) shares.push(...drawn.donors.map((donor, i) => donor !== readers[i]))
    for (const input of drawn.inputs) visit(input, drawn.donors)
  }
  for (const input of tree.inputs) visit(input, tree.references)
  return {
    name: node.name,
    parts: node.senders.map(({ name }) => name),
    positions: node.positions,
    feature: node.feature === undefined ? null : describeFeature(node.feature),
    values: node.feature === undefined ? labelCount(tree) : new Set(labels(node.feature)).size,
    exchanged: shares.filter((isOther) => isOther).length / shares.length,
    inputs: node.inputs?.map(({ node: { name } }) => name) ?? null,
  }
}

const labelCount = ({ references }: DrawnTree): number => new Set(references).size

/** Every sample's losses and KL; without answers, losses are 0. */
function outcomesOf(
  plain: PlainRuns,
  { references, others }: DrawnTree,
  scrubbed: readonly Float32Array[],
  answers: readonly number[] | null,
): SampleOutcome[] {
  const model = plain.logits.map(logProbabilities)
  return references.map((example, i) => {
    const [own, random, now] = [model[example]!, model[others[i]!]!, logProbabilities(scrubbed[i]!)]
    const loss = (of: Float64Array) => (answers === null ? 0 : -of[answers[example]!]!)
    return {
      example,
      modelLoss: loss(own),
      randomLoss: loss(random),
      scrubbedLoss: loss(now),
      kl: klOf(own, now),
      randomKl: klOf(own, random),
    }
  })
}

/** The samples whose prediction changed most, one per example; equal ones in their order, so that rounding chooses none. */
function worstOf(outcomes: readonly SampleOutcome[]): SampleOutcome[] {
  const coarse = (i: number) => Math.round(1e4 * outcomes[i]!.kl)
  const order = outcomes.map((_, i) => i).sort((a, b) => coarse(b) - coarse(a) || a - b)
  const firsts = new Map<number, SampleOutcome>()
  for (const i of order) if (!firsts.has(outcomes[i]!.example)) firsts.set(outcomes[i]!.example, outcomes[i]!)
  return [...firsts.values()].slice(0, WORST)
}

function summary(outcomes: readonly SampleOutcome[], seed: number) {
  const kls = outcomes.map(({ kl }) => kl)
  const randomKls = outcomes.map(({ randomKl }) => randomKl)
  const bySize = recoveredBySize(outcomes, seed)
  const { low, high } = bySize.at(-1)!
  return {
    loss: {
      model: mean(outcomes.map(({ modelLoss }) => modelLoss)),
      random: mean(outcomes.map(({ randomLoss }) => randomLoss)),
      scrubbed: mean(outcomes.map(({ scrubbedLoss }) => scrubbedLoss)),
    },
    recovered: { recovered: lossRecovered(outcomes), low, high },
    kl: {
      mean: mean(kls),
      median: quantile(kls, 0.5),
      high: quantile(kls, 0.9),
      randomMean: mean(randomKls),
      randomMedian: quantile(randomKls, 0.5),
      recovered: klRecovered(outcomes),
    },
    bySize,
  }
}

/** Labels with their values permuted among the examples, every feature's by itself. */
function permuted(labels: LabelOf, seed: number): LabelOf {
  const known = new Map<Feature, readonly string[]>()
  return (feature) => {
    const plain = labels(feature)
    const found = known.get(feature) ?? shuffledIndices(plain.length, seed + known.size).map((i) => plain[i]!)
    known.set(feature, found)
    return found
  }
}
