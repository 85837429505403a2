import type { Method } from '../../../runs/index.ts'
import type { StreamEvent } from '../../service/messages.ts'

/** Seconds that work may take which nobody asked for. */
export const UNASKED_SECONDS = 10
/** What a run says of its own cost before this counts little: the first pass compiles. */
const MEASURED_AFTER = 2

/**
 * Whether a method's panel runs by itself when it is first seen with prompts that are complete. The methods of Read show what
 * came with the page; those of Circuits are about the model as a whole, and are asked for.
 */
export const startsByItself = ({ question }: Method): boolean => question === 'cause'

/** Follows the events of a run that nobody asked for, and stops it when it measures that all of it would take too long. */
export function watchCost(stop: () => void): (event: StreamEvent) => void {
  let start: number | undefined
  return (event) => {
    if (event.kind !== 'progress' || event.progress.phase === 'waiting for other work') return
    start ??= performance.now()
    const seconds = (performance.now() - start) / 1000
    if (seconds > MEASURED_AFTER && seconds + (event.progress.etaSeconds ?? 0) > UNASKED_SECONDS) stop()
  }
}
