import type { SnapshotMeasures } from './snapshot-measures.ts'
import type { Transitions } from './transitions.ts'

/** A stretch of training, in steps. */
export interface Phase {
  readonly name: 'memorising' | 'circuit forms' | 'clean-up'
  readonly from: number
  readonly to: number
}

/** Test loss at this share of its peak has plainly begun to fall. */
const FALLING = 0.5
/** The weights have settled when this share of their fall in the clean-up is done. */
const SETTLED = 0.9

/**
 * The three phases of Nanda et al. (2023), read off the measures of a run that generalised; none otherwise.
 *
 * - *memorising* lasts until excluded loss is lowest: up to there the fit of the training pairs owes more and more to what is
 *   not the circuit, and from there on less and less;
 * - *the circuit forms* until test loss is down to half its peak;
 * - *clean-up* lasts until the sum of squared weights has made 90 % of its fall from there on.
 */
export function phasesOf(measures: readonly SnapshotMeasures[], { memorised, generalised }: Transitions): Phase[] {
  if (!memorised || !generalised) return []
  const until = (step: number) => measures.filter((one) => one.step <= step)
  const lowest = until(generalised.to).reduce((a, b) => (b.excluded < a.excluded ? b : a))
  const peak = measures.reduce((a, b) => (b.test > a.test ? b : a))
  const falling = measures.find(({ step, test }) => step >= peak.step && test <= FALLING * peak.test)
  if (!falling || falling.step < lowest.step) return []
  const rest = measures.filter(({ step }) => step >= falling.step)
  const end = Math.min(...rest.map(({ squares }) => squares))
  const settled = rest.find(({ squares }) => falling.squares - squares >= SETTLED * (falling.squares - end))!
  return [
    { name: 'memorising', from: 0, to: lowest.step },
    { name: 'circuit forms', from: lowest.step, to: falling.step },
    { name: 'clean-up', from: falling.step, to: settled.step },
  ]
}
