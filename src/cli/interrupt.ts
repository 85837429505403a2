import { EXIT, Interrupted } from './errors.ts'

/**
 * The signal that the first Ctrl-C aborts; the second ends the process at once. A run that computes in this process
 * holds the event loop, so both act when the Program in progress is done.
 */
export function interruptSignal(tell: (message: string) => void): {
  readonly signal: AbortSignal
  readonly stop: () => void
} {
  const controller = new AbortController()
  const onInterrupt = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted)
    controller.abort(new Interrupted('Interrupted; nothing was finished.'))
    tell('Stopping; what is done is kept. Ctrl-C again quits at once.')
  }
  process.on('SIGINT', onInterrupt)
  return { signal: controller.signal, stop: () => process.off('SIGINT', onInterrupt) }
}
