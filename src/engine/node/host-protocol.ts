import type { DType, Shape, TypedArray } from '../../tensor/index.ts'
import type { SessionOptions, TensorValue } from '../backend.ts'
import type { NodeBackendOptions } from './backend.ts'

/** What the hosting process asks of the child; tensors and sessions go by numbers that the host chooses. */
export type HostRequest =
  | { readonly kind: 'start'; readonly options: NodeBackendOptions }
  /** A piece of a tensor's bytes; the tensor is stored with its last piece. */
  | {
      readonly kind: 'store'
      readonly tensor: number
      readonly dtype: DType
      readonly shape: Shape
      readonly offset: number
      readonly bytes: Uint8Array
    }
  | { readonly kind: 'release'; readonly tensor: number }
  | {
      readonly kind: 'createSession'
      readonly session: number
      readonly model: Uint8Array
      /** Tensor numbers by port name. */
      readonly residents: Readonly<Record<string, number>>
      readonly optimisation: SessionOptions['optimisation']
      readonly arena: boolean
    }
  | {
      readonly kind: 'run'
      readonly session: number
      /** Values, or a tensor number. */
      readonly feeds: Readonly<Record<string, TensorValue | number>>
      readonly outputs: Readonly<Record<string, { readonly dtype: DType; readonly shape: Shape }>>
    }
  | { readonly kind: 'releaseSession'; readonly session: number }

/** The child's answer to the request of the same `id`. */
export type HostReply =
  | { readonly id: number; readonly result: Readonly<Record<string, TypedArray>> | undefined }
  | { readonly id: number; readonly error: string; readonly expected: boolean }
