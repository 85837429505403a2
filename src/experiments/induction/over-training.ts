import { type Curve, curveOf, type LogEntry } from '../../train/index.ts'

/** What a head is, by its two attention scores. */
export interface HeadCurves {
  readonly layer: number
  readonly head: number
  readonly prefixMatching: Curve
  readonly previousToken: Curve
}

/** Both attention scores of every head over training, layer by layer. */
export function headCurves(log: readonly LogEntry[], n_layers: number, n_heads: number): HeadCurves[] {
  return Array.from({ length: n_layers * n_heads }, (_, i) => ({
    layer: Math.floor(i / n_heads),
    head: i % n_heads,
    prefixMatching: curveOf(log, 'heads/prefixMatching', i),
    previousToken: curveOf(log, 'heads/previousToken', i),
  }))
}

/** At every step the largest of several curves over the same steps. */
export function largestOf(curves: readonly Curve[]): Curve {
  const { steps } = curves[0]!
  return { steps, values: steps.map((_, i) => Math.max(...curves.map(({ values }) => values[i]!))) }
}

/** When the induction heads formed, in training steps; NaN for what did not happen. */
export interface Formation {
  /** The best prefix-matching score is above 10 % and above 90 % of its last value for good. */
  readonly start: number
  readonly end: number
  /** The in-context-learning score is beyond half of its last value for good. */
  readonly inContextHalf: number
}

/** Reads off two curves when prefix matching rose, and when the in-context-learning score fell half of its way. */
export function formationOf(bestPrefix: Curve, inContext: Curve): Formation {
  const final = bestPrefix.values.at(-1)!
  const learned = { steps: inContext.steps, values: inContext.values.map((value) => -value) }
  return {
    start: aboveForGood(bestPrefix, 0.1 * final),
    end: aboveForGood(bestPrefix, 0.9 * final),
    inContextHalf: aboveForGood(learned, 0.5 * learned.values.at(-1)!),
  }
}

/** The step from which on a curve stays above a level, linear between its points; NaN when it starts or ends elsewhere. */
export function aboveForGood({ steps, values }: Curve, level: number): number {
  const below = values.findLastIndex((value) => value <= level)
  if (below < 0 || below === values.length - 1) return Number.NaN
  const [from, to] = [values[below]!, values[below + 1]!]
  return steps[below]! + ((level - from) / (to - from)) * (steps[below + 1]! - steps[below]!)
}

/** The logged entry nearest to a step that has `name`. */
export function nearest(log: readonly LogEntry[], name: string, step: number): LogEntry | undefined {
  const entries = log.filter(({ values }) => name in values)
  const distance = (entry: LogEntry) => Math.abs(entry.step - step)
  return entries.toSorted((a, b) => distance(a) - distance(b))[0]
}
