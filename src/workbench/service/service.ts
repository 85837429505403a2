import type { RequestName, Requests, StreamEvent } from './messages.ts'

/** How a request is followed and stopped. */
export interface RequestOptions {
  /** Stops the work: at the next pause with what is done, or by force when there is none within two seconds. */
  readonly signal?: AbortSignal | undefined
  readonly onEvent?: ((event: StreamEvent) => void) | undefined
}

/**
 * Where models are opened and specs are carried out: a worker of the page, or Node behind the local server. Both take the
 * same requests, stream the same events and give the same answers, because both are `answerRequest` behind a wire.
 */
export interface Service {
  readonly engine: 'browser' | 'node'
  /** Throws a `DiopterError` with the service's sentence where it fails, and the signal's reason where it was stopped with nothing to show. */
  ask<Name extends RequestName>(
    kind: Name,
    ask: Requests[Name]['ask'],
    options?: RequestOptions,
  ): Promise<Requests[Name]['answer']>
  /** Ends the worker, or the connection. */
  dispose(): Promise<void>
}
