/** One comparison: `ok` when every |a - b| is at most tolerance * max(1, |b|), equal infinities agreeing. */
export interface VerificationCheck {
  readonly name: string
  /** What should be equal. */
  readonly claim: string
  readonly ok: boolean
  /** The largest |a - b|; infinite where one is NaN or only one is infinite. */
  readonly maxAbs: number
  readonly tolerance: number
  /** How many numbers were compared, and how many of them differ by more. */
  readonly elements: number
  readonly outside: number
}

export type Numbers = ArrayLike<number>
/** Our numbers, the reference's, and where numbers cancel: what their rounding is proportional to, |b| unless given. */
export type Pair = readonly [ours: Numbers, reference: Numbers, scale?: Numbers]

/** A check as it is computed: pairs of arrays [ours, reference] that must agree. */
export interface Comparison {
  readonly name: string
  readonly claim: string
  readonly tolerance: number
  readonly pairs: readonly Pair[]
}

/** What two ways of computing the same may differ by. */
export const RUN_TOLERANCE = 1e-4

/** What a sum may differ by, relative to its terms. */
export const SUM_TOLERANCE = 1e-5

/** Carries out a comparison. */
export function evaluate({ name, claim, tolerance, pairs }: Comparison): VerificationCheck {
  let [maxAbs, elements, outside] = [0, 0, 0]
  for (const [ours, reference, scale = reference] of pairs) {
    elements += reference.length
    for (let i = 0; i < reference.length; i++) {
      const [a, b] = [ours[i]!, reference[i]!]
      if (a === b) continue
      const difference = Math.abs(a - b)
      if (!(difference <= tolerance * Math.max(1, Math.abs(scale[i]!))) || !Number.isFinite(difference)) outside++
      if (!(difference <= maxAbs)) maxAbs = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference
    }
  }
  return { name, claim, ok: outside === 0, maxAbs, tolerance, elements, outside }
}
