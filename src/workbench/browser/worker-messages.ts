import type { ServiceRequest } from '../service/messages.ts'
import type { WireEvent } from '../service/wire.ts'
import type { DroppedFolder } from './dropped-folder.ts'

/** What a worker must know before its first request. */
export interface WorkerSetup {
  /** The URL of the page's folder, with `/` at the end. */
  readonly base: string
  /** The token of the local server's launch: with it the server also gives the folders that it was started with. */
  readonly token?: string | null | undefined
  /** Threads of WebAssembly; all cores unless given. */
  readonly threads?: number | undefined
  /** Where hub models come from; the hub unless given. */
  readonly hubEndpoint?: string | undefined
}

/** What the page tells its worker; `setup` comes first. */
export type ToWorker =
  | { readonly kind: 'setup'; readonly setup: WorkerSetup }
  | { readonly kind: 'folder'; readonly ref: string; readonly folder: DroppedFolder }
  | { readonly kind: 'request'; readonly id: number; readonly request: ServiceRequest }
  | { readonly kind: 'cancel'; readonly id: number }

/** What the worker tells the page: an event of a request, as the browser clones it. */
export interface FromWorker {
  readonly id: number
  readonly event: WireEvent
  /** Whether no event will follow. */
  readonly last: boolean
}
