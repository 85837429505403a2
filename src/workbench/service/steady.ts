import type { StreamEvent } from './messages.ts'

/** Progress of one phase is told at most this often, and partial results at most that often. */
const PROGRESS_MS = 50
const PARTIAL_MS = 200

/** An `emit` that leaves out progress and partial results that follow each other faster than anybody can look. */
export function steady(emit: (event: StreamEvent) => void): (event: StreamEvent) => void {
  let phase: string | undefined
  let [progressAt, partialAt] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]
  return (event) => {
    const now = performance.now()
    if (event.kind === 'progress') {
      if (event.progress.phase === phase && now - progressAt < PROGRESS_MS) return
      phase = event.progress.phase
      progressAt = now
    }
    if (event.kind === 'partial') {
      if (now - partialAt < PARTIAL_MS) return
      partialAt = now
    }
    emit(event)
  }
}
