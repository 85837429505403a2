import type { DType, Shape, TypedArray } from '../tensor/index.ts'

/** Values with their type: what goes into a run and comes out of it. */
export interface TensorValue {
  readonly dtype: DType
  readonly shape: Shape
  readonly data: TypedArray
  /** Where the same bytes lie in a file, when they do: a resident session then maps them instead of copying. */
  readonly file?: { readonly path: string; readonly begin: number } | undefined
}

/** A place in a file, as a model's external initializers name it. */
export interface FilePlace {
  readonly location: string
  readonly offset: number
}

/** Values that a backend keeps for many runs (weights): handed over once, named by this handle afterwards. */
export interface StoredTensor {
  readonly dtype: DType
  readonly shape: Shape
  /** Bytes held. */
  readonly bytes: number
}

/** Something that executes ONNX models: ONNX Runtime in this process, in a child process, or in a browser. */
export interface Backend {
  /** For messages and results, for example `onnxruntime-node cpu`. */
  readonly name: string
  /** Whether a run computes on the caller's thread and so blocks its event loop. */
  readonly blocking: boolean
  /** Whether inputs are copied at every run, so that weights are better resident at once (WASM). */
  readonly copiesInputs: boolean
  /** Whether graphs run on a graphics device. */
  readonly gpu?: boolean
  /** Whether it computes float64 in float32, because its ONNX Runtime has no other kernels; feeds and results stay float64. */
  readonly narrowsFloat64?: boolean
  store(value: TensorValue): Promise<StoredTensor>
  /** The values of a stored tensor; the backend's own array where it lies in this process. */
  read(stored: StoredTensor): Promise<TensorValue>
  release(stored: StoredTensor): Promise<void>
  /** Where a session finds a stored tensor on disk; undefined when it must be given in memory. */
  place?(stored: StoredTensor): Promise<FilePlace | undefined>
  createSession(model: Uint8Array, options: SessionOptions): Promise<BackendSession>
  /** Gives everything back. A run in progress is stopped only by a backend that can (the child process). */
  dispose(): Promise<void>
}

/** What a session is made with beside its model. */
export interface SessionOptions {
  /** Values of the model's external initializers that lie in no file, by port name. */
  readonly residents: Readonly<Record<string, StoredTensor>>
  /** `quick` optimises little: for graphs that run once. */
  readonly optimisation: 'quick' | 'full'
  /** Whether it keeps the memory of intermediate values from run to run (several times what is alive at once), or gives it back. */
  readonly arena: boolean
}

/** A compiled model. */
export interface BackendSession {
  /** Runs once; `outputs` gives shape and dtype of every output port. */
  run(
    feeds: Readonly<Record<string, TensorValue | StoredTensor>>,
    outputs: Readonly<Record<string, { readonly dtype: DType; readonly shape: Shape }>>,
    signal?: AbortSignal,
  ): Promise<Record<string, TypedArray>>
  release(): Promise<void>
}

/** Whether a feed is a handle rather than values. */
export function isStored(value: TensorValue | StoredTensor): value is StoredTensor {
  return !('data' in value)
}
