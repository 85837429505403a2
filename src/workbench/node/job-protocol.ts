import type { WireEvent } from '../service/wire.ts'
import type { ModelPlace } from './model-places.ts'

/** What the server tells the process that does its jobs. */
export type JobMessage =
  /** The first message: the models that may be opened beside those of the hub. */
  | { readonly kind: 'start'; readonly places: readonly ModelPlace[] }
  | { readonly kind: 'ask'; readonly id: number; readonly request: unknown }
  | { readonly kind: 'cancel'; readonly id: number }

/** What comes back: an event of a job, encoded. */
export interface JobReply {
  readonly id: number
  readonly kind: WireEvent['kind']
  readonly text: string
}
