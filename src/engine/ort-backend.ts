import type { InferenceSession, Tensor as OrtTensor, TensorConstructor } from 'onnxruntime-common'
import { DiopterError, throwIfAborted } from '../errors/index.ts'
import type { DType, Shape, TypedArray } from '../tensor/index.ts'
import {
  type Backend,
  type BackendSession,
  type FilePlace,
  isStored,
  type SessionOptions,
  type StoredTensor,
  type TensorValue,
} from './backend.ts'

/** The part of onnxruntime-node and onnxruntime-web that is used. */
export interface OrtModule {
  readonly InferenceSession: {
    create(model: Uint8Array, options?: InferenceSession.SessionOptions): Promise<InferenceSession>
  }
  readonly Tensor: TensorConstructor
}

/** What differs between the places where ONNX Runtime runs. */
export interface OrtBackendOptions {
  readonly ort: OrtModule
  readonly name: string
  readonly blocking: boolean
  readonly copiesInputs: boolean
  readonly gpu?: boolean
  readonly narrowsFloat64?: boolean
  readonly sessionOptions: InferenceSession.SessionOptions
  /** Says why no session can be made at all, if that is what ONNX Runtime's error message means. */
  readonly explain?: (message: string) => string | undefined
  /** Where a session may map a stored tensor from. */
  readonly place?: (value: TensorValue) => Promise<FilePlace | undefined>
  /** Awaited before every run. */
  readonly pause?: () => Promise<void>
  /** Called when everything was given back. */
  readonly onDispose?: () => void
}

/** ONNX Runtime in this process, in Node or in a browser. */
export class OrtBackend implements Backend {
  readonly name: string
  readonly blocking: boolean
  readonly copiesInputs: boolean
  readonly gpu: boolean
  readonly narrowsFloat64: boolean
  private readonly options: OrtBackendOptions
  private readonly stored = new Set<StoredTensor>()
  private readonly sessions = new Set<BackendSession>()
  private turn: Promise<unknown> = Promise.resolve()

  constructor(options: OrtBackendOptions) {
    this.options = options
    this.name = options.name
    this.blocking = options.blocking
    this.copiesInputs = options.copiesInputs
    this.gpu = options.gpu === true
    this.narrowsFloat64 = options.narrowsFloat64 === true
  }

  async store(value: TensorValue): Promise<StoredTensor> {
    const handle = new StoredHandle(this.toOrt(value), value)
    this.stored.add(handle)
    return handle
  }

  async read(stored: StoredTensor): Promise<TensorValue> {
    return this.own(stored).value
  }

  async release(stored: StoredTensor): Promise<void> {
    this.stored.delete(this.own(stored))
  }

  async place(stored: StoredTensor): Promise<FilePlace | undefined> {
    return this.options.place?.(this.own(stored).value)
  }

  async createSession(model: Uint8Array, { residents, optimisation, arena }: SessionOptions): Promise<BackendSession> {
    const externalData = Object.entries(residents).map(([path, handle]) => {
      const { data } = this.written(this.own(handle).value)
      return { path, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) }
    })
    const options: InferenceSession.SessionOptions = {
      ...this.options.sessionOptions,
      graphOptimizationLevel: optimisation === 'quick' ? 'basic' : 'all',
      ...(arena ? {} : { enableCpuMemArena: false }),
      ...(externalData.length > 0 ? { externalData } : {}),
    }
    const session = await this.inTurn(() => this.options.ort.InferenceSession.create(model, options)).catch(
      (error: Error) => {
        const explanation = this.options.explain?.(error.message)
        throw explanation ? new DiopterError(explanation, { cause: error }) : error
      },
    )
    const wrapped: BackendSession = {
      run: (feeds, outputs, signal) =>
        this.inTurn(async () => {
          await this.options.pause?.()
          throwIfAborted(signal)
          const ortFeeds: Record<string, OrtTensor> = {}
          for (const name in feeds) {
            const value = feeds[name]!
            ortFeeds[name] = isStored(value) ? this.own(value).tensor : this.toOrt(value)
          }
          // No outputs are given beforehand: onnxruntime-node would write them and then return a copy all the same.
          return results(await session.run(ortFeeds, Object.keys(outputs)), outputs)
        }),
      release: async () => {
        if (this.sessions.delete(wrapped)) await this.inTurn(() => session.release())
      },
    }
    this.sessions.add(wrapped)
    return wrapped
  }

  async dispose(): Promise<void> {
    await Promise.all([...this.sessions].map((session) => session.release()))
    this.stored.clear()
    this.options.onDispose?.()
  }

  /**
   * One thing at a time: ONNX Runtime begins a run some time after it was asked for, and giving a session back before
   * that (or, on the web, running two sessions at once) breaks it.
   */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.then(work)
    this.turn = result.catch(() => undefined)
    return result
  }

  private own(stored: StoredTensor): StoredHandle {
    if (!(stored instanceof StoredHandle) || !this.stored.has(stored)) {
      throw new DiopterError(
        `A stored tensor [${stored.shape.join(', ')}] was used that ${this.name} does not hold; it was released, or belongs to another backend.`,
      )
    }
    return stored
  }

  /** A value as it crosses into ONNX Runtime. */
  private written(value: TensorValue): TensorValue {
    if (!this.narrowsFloat64 || value.dtype !== 'float64') return value
    return { ...value, dtype: 'float32', data: Float32Array.from(value.data as Float64Array) }
  }

  private toOrt(value: TensorValue): OrtTensor {
    const { dtype, shape, data } = this.written(value)
    return new this.options.ort.Tensor(dtype, data as never, shape)
  }
}

class StoredHandle implements StoredTensor {
  readonly tensor: OrtTensor
  readonly value: TensorValue

  constructor(tensor: OrtTensor, value: TensorValue) {
    this.tensor = tensor
    this.value = value
  }
  get dtype(): DType {
    return this.value.dtype
  }
  get shape(): Shape {
    return this.value.shape
  }
  get bytes(): number {
    return this.value.data.byteLength
  }
}

function results(
  tensors: Readonly<Record<string, OrtTensor>>,
  types: Readonly<Record<string, { readonly dtype: DType }>>,
): Record<string, TypedArray> {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, t]) => [name, asType(t.data as TypedArray, types[name]!.dtype)]),
  )
}

/**
 * Where JavaScript has a Float16Array, ONNX Runtime gives one; a float16 tensor is its bits here. What was narrowed on the
 * way in is widened again.
 */
function asType(data: TypedArray, dtype: DType): TypedArray {
  if (dtype === 'float16' && !(data instanceof Uint16Array))
    return new Uint16Array(data.buffer, data.byteOffset, data.length)
  return dtype === 'float64' && data instanceof Float32Array ? Float64Array.from(data) : data
}
