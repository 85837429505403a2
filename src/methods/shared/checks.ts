/** Whether what a method assumes is so. */
export type Verdict = 'holds' | 'fails' | 'not tested'

/** One assumption of a method, what was measured about it in this very run, and whether it holds. */
export interface Check {
  readonly name: string
  /** What should be so, with its threshold: `KL below 1e-4 nats`. */
  readonly claimed: string
  /** What was found, as a number or a sentence; null where it was not tested. */
  readonly measured: number | string | null
  readonly threshold?: number
  /** By how much it holds, in the measured number's units; negative where it fails. Absent where no single number decides. */
  readonly margin?: number
  readonly verdict: Verdict
  /** Why it matters, or why it was not tested. */
  readonly why: string
}

type Claim = Pick<Check, 'name' | 'claimed' | 'why'>

/** A check that holds when the number is at most the threshold; NaN fails. `said` is what people read instead of the number. */
export function atMost(claim: Claim, measured: number, threshold: number, said?: string): Check {
  return judged(claim, said ?? measured, threshold, measured <= threshold, threshold - measured)
}

/** A check that holds when the number is at least the threshold; NaN fails. `said` is what people read instead of the number. */
export function atLeast(claim: Claim, measured: number, threshold: number, said?: string): Check {
  return judged(claim, said ?? measured, threshold, measured >= threshold, measured - threshold)
}

/** A check with its verdict, and the margin where one number decides. */
export function judged(
  claim: Claim,
  measured: number | string,
  threshold: number,
  holds: boolean,
  margin = Number.NaN,
): Check {
  const { name, claimed, why } = claim
  const known = Number.isFinite(margin) ? { margin } : {}
  return { name, claimed, measured, threshold, ...known, verdict: holds ? 'holds' : 'fails', why }
}

/** A check that could not be made, and why not. */
export function notTested({ name, claimed }: Omit<Claim, 'why'>, why: string): Check {
  return { name, claimed, measured: null, verdict: 'not tested', why }
}
