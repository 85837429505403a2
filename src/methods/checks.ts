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
  readonly verdict: Verdict
  /** Why it matters, or why it was not tested. */
  readonly why: string
}

type Claim = Pick<Check, 'name' | 'claimed' | 'why'>

/** A check that holds when the number is at most the threshold; a number that is NaN fails. */
export function atMost(claim: Claim, measured: number, threshold: number, said?: string): Check {
  return { ...claim, measured: said ?? measured, threshold, verdict: measured <= threshold ? 'holds' : 'fails' }
}

/** A check that holds when the number is at least the threshold; a number that is NaN fails. */
export function atLeast(claim: Claim, measured: number, threshold: number, said?: string): Check {
  return { ...claim, measured: said ?? measured, threshold, verdict: measured >= threshold ? 'holds' : 'fails' }
}

/** A check that could not be made, and why not. */
export function notTested(claim: Omit<Claim, 'why'>, why: string): Check {
  return { ...claim, measured: null, verdict: 'not tested', why }
}
