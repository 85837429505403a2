import { randomStream } from '../../lab/sampling.ts'
import { mean } from '../shared/statistics.ts'

/** One sample: the model on its example, everything replaced at random, and only what the hypothesis names kept. All in nats. */
export interface SampleOutcome {
  /** Its example's number in the data. */
  readonly example: number
  readonly modelLoss: number
  readonly randomLoss: number
  readonly scrubbedLoss: number
  /** KL from the model's prediction to the scrubbed one, and to that on the random example. */
  readonly kl: number
  readonly randomKl: number
}

/** log p of all tokens. */
export function logProbabilities(logits: Float32Array): Float64Array {
  let most = Number.NEGATIVE_INFINITY
  for (const logit of logits) if (logit > most) most = logit
  let total = 0
  for (const logit of logits) total += Math.exp(logit - most)
  const shift = most + Math.log(total)
  return Float64Array.from(logits, (logit) => logit - shift)
}

/** KL(p || q) of two distributions given as log probabilities; never below 0. */
export function klOf(p: Float64Array, q: Float64Array): number {
  let sum = 0
  for (let i = 0; i < p.length; i++) sum += Math.exp(p[i]!) * (p[i]! - q[i]!)
  return Math.max(0, sum)
}

type Losses = Pick<SampleOutcome, 'modelLoss' | 'randomLoss' | 'scrubbedLoss'>

/** (loss of random examples - scrubbed loss) / (loss of random examples - the model's): 1 all of it, 0 nothing. */
export function lossRecovered(outcomes: readonly Losses[]): number {
  const random = mean(outcomes.map(({ randomLoss }) => randomLoss))
  const scrubbed = mean(outcomes.map(({ scrubbedLoss }) => scrubbedLoss))
  return (random - scrubbed) / (random - mean(outcomes.map(({ modelLoss }) => modelLoss)))
}

/** The same of predictions, example by example: 1 - mean KL / mean KL of random examples. */
export function klRecovered(outcomes: readonly Pick<SampleOutcome, 'kl' | 'randomKl'>[]): number {
  return 1 - mean(outcomes.map(({ kl }) => kl)) / mean(outcomes.map(({ randomKl }) => randomKl))
}

/** The value below which a share of the list lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.round(share * (sorted.length - 1)))]!
}

/** A share of the loss that is recovered, with its 95% interval over samples. */
export interface RecoveredShare {
  readonly recovered: number
  readonly low: number
  readonly high: number
}

const RESAMPLES = 500

/** What is recovered, with a percentile bootstrap over whole samples. */
export function recoveredShare(outcomes: readonly Losses[], seed: number): RecoveredShare {
  const random = randomStream(seed)
  const drawn = Float64Array.from({ length: RESAMPLES }, () =>
    lossRecovered(outcomes.map(() => outcomes[Math.floor(random() * outcomes.length)]!)),
  ).sort()
  const at = (share: number) => drawn[Math.round(share * (RESAMPLES - 1))]!
  return { recovered: lossRecovered(outcomes), low: at(0.025), high: at(0.975) }
}

/** What the first samples say: 8, 16, 32, ... and all. */
export function recoveredBySize(
  outcomes: readonly Losses[],
  seed: number,
): (RecoveredShare & { readonly samples: number })[] {
  const sizes: number[] = []
  for (let size = 8; size < outcomes.length; size *= 2) sizes.push(size)
  return [...sizes, outcomes.length].map((samples) => ({
    samples,
    ...recoveredShare(outcomes.slice(0, samples), seed),
  }))
}
