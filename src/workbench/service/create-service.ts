import { DiopterError, throwIfAborted } from '../../errors/index.ts'
import type { RequestName, Requests, ServiceRequest } from './messages.ts'
import type { RequestOptions, Service } from './service.ts'
import { isLast, type WireEvent } from './wire.ts'

/** One request on its way. */
export interface Exchange {
  /** Resolves when no event will follow; rejects with a sentence when the service cannot be reached. */
  readonly ended: Promise<void>
  /** Asks the service to stop with what it has; its last event still comes. */
  cancel(): void
  /** Ends the work at once, whatever it does. */
  stop(): void
}

/** How requests and events travel: messages of a worker, or HTTP. */
export interface Transport {
  /** Sends a request; `receive` gets its events in order. */
  send(request: ServiceRequest, receive: (event: WireEvent) => void): Exchange
  /** Milliseconds from `cancel` to `stop`; 2000 unless given. */
  readonly patience?: number
  dispose(): Promise<void>
}

/** A service at the other end of a transport. */
export function createService(engine: Service['engine'], transport: Transport): Service {
  return {
    engine,
    ask: (kind, ask, options = {}) => askOver(transport, kind, ask, options),
    dispose: () => transport.dispose(),
  }
}

async function askOver<Name extends RequestName>(
  transport: Transport,
  kind: Name,
  ask: Requests[Name]['ask'],
  { signal, onEvent }: RequestOptions,
): Promise<Requests[Name]['answer']> {
  throwIfAborted(signal)
  let patience: ReturnType<typeof setTimeout> | undefined
  let abort: () => void = () => undefined
  try {
    return await new Promise((resolve, reject) => {
      let over = false
      const receive = (event: WireEvent) => {
        if (over) return
        over = isLast(event)
        switch (event.kind) {
          case 'done':
            return resolve(event.answer as Requests[Name]['answer'])
          case 'failed':
            return reject(event.expected ? new DiopterError(event.message) : new Error(event.message))
          case 'cancelled':
            return reject(reasonOf(signal) ?? new DiopterError(event.message))
          case 'started':
            return
          case 'queued':
            return onEvent?.({
              kind: 'progress',
              progress: { phase: 'waiting for other work', done: 0, total: event.ahead, unit: 'jobs' },
            })
          default:
            return onEvent?.(event)
        }
      }
      const exchange = transport.send({ kind, ...ask } as unknown as ServiceRequest, (event) => {
        try {
          receive(event)
        } catch (error) {
          reject(error)
          exchange.stop()
        }
      })
      abort = () => {
        exchange.cancel()
        patience = setTimeout(() => {
          exchange.stop()
          reject(reasonOf(signal))
        }, transport.patience ?? 2000)
      }
      signal?.addEventListener('abort', abort, { once: true })
      exchange.ended.then(
        () =>
          reject(reasonOf(signal) ?? new DiopterError('The service ended before it answered; ask again to start it.')),
        (error) => reject(reasonOf(signal) ?? error),
      )
    })
  } finally {
    signal?.removeEventListener('abort', abort)
    clearTimeout(patience)
  }
}

/** Why a signal was aborted; undefined while it is not. */
function reasonOf(signal: AbortSignal | undefined): Error | undefined {
  if (!signal?.aborted) return undefined
  return signal.reason instanceof Error ? signal.reason : new DiopterError('The work was cancelled.')
}
