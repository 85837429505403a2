import { DiopterError, throwIfAborted, type WorkOptions } from '../errors/index.ts'
import { emit, optimise, structuralHash } from '../onnx/index.ts'
import {
  bytesPerElement,
  formatShape,
  type Shape,
  sameShape,
  sizeOf,
  type Tensor,
  topologicalOrder,
} from '../tensor/index.ts'
import type { Backend, BackendSession, StoredTensor, TensorValue } from './backend.ts'

/** Where weights live: fed at every run, initializers of the session, or fed first and promoted after a few runs. */
export type Residency = 'inputs' | 'resident' | 'auto'

export interface EngineOptions {
  readonly backend: Backend
  /** Sessions beyond this many bytes are released, the least recently used first; 2 GiB by default. */
  readonly cacheBytes?: number
}

export interface CompileOptions {
  /** Values of named inputs that do not change from run to run, by input name. */
  readonly weights?: ReadonlyMap<string, StoredTensor>
  readonly residency?: Residency
  /** False emits the graph as traced, without passes or fused operators: the reference in tests. */
  readonly optimise?: boolean
}

/** Counters since the engine was made. */
export interface EngineStatistics {
  /** Sessions created, promotions included. */
  readonly compiles: number
  readonly runs: number
  /** Sessions that are now held, and an estimate of their bytes. */
  readonly sessions: number
  readonly sessionBytes: number
}

/** Runs with fed weights before a session with resident ones is made. */
const RUNS_BEFORE_PROMOTION = 3
/** Beyond this many rows the packed copy of a resident weight saves under 10 %, and is not worth its memory. */
const PROMOTION_ROW_LIMIT = 512

interface CachedSession {
  readonly key: string
  readonly session: BackendSession
  readonly bytes: number
  /** Feed ports with the number of their input node in canonical order. */
  readonly feeds: readonly { readonly name: string; readonly index: number }[]
  readonly outputs: readonly string[]
  runs: number
  /** Programs that hold it, and runs in progress: only an idle session is released. */
  users: number
  active: number
}

/** A graph that can run: bound to this trace's inputs, backed by a session that graphs of equal structure share. */
export interface Program {
  /**
   * Runs once; `feeds` gives the values of named inputs. Resolves to one array per output.
   * Throws when a feed is missing, unknown, or of the wrong shape.
   */
  run(feeds?: Readonly<Record<string, TensorValue>>, options?: WorkOptions): Promise<TensorValue[]>
  /** Lets the session be evicted; a later run of an equal graph may have to compile again. */
  release(): void
}

/** Compiles traced graphs to sessions, caches these by structure, and runs them. */
export class Engine {
  readonly backend: Backend
  private readonly cacheBytes: number
  /** In order of last use. */
  private readonly sessions = new Map<string, CachedSession>()
  private readonly compiling = new Map<string, Promise<CachedSession>>()
  private counters = { compiles: 0, runs: 0 }

  constructor({ backend, cacheBytes = 2 * 1024 ** 3 }: EngineOptions) {
    this.backend = backend
    this.cacheBytes = cacheBytes
  }

  get statistics(): EngineStatistics {
    let sessionBytes = 0
    for (const { bytes } of this.sessions.values()) sessionBytes += bytes
    return { ...this.counters, sessions: this.sessions.size, sessionBytes }
  }

  /** Optimises and compiles the graph under `outputs`; the session itself is made at the first run, or found in the cache. */
  compile(
    outputs: readonly Tensor[],
    { weights = new Map(), residency = 'auto', optimise: passes = true }: CompileOptions = {},
  ): Program {
    const graph = passes ? optimise(outputs) : outputs
    const inputs = topologicalOrder(graph).filter((t) => t.op === 'input')
    const named = new Map(inputs.filter((t) => t.value === undefined).map((t) => [t.attributes.name as string, t]))
    for (const [name, t] of named) {
      const weight = weights.get(name)
      if (weight && !sameShape(weight.shape, t.shape)) {
        throw new DiopterError(
          `The weight '${name}' has shape ${formatShape(weight.shape)}; the graph expects ${formatShape(t.shape)}.`,
        )
      }
    }
    const hash = `${structuralHash(graph)}${passes ? '' : ' unoptimised'}`
    const fedKey = `${hash} fed`
    const residentKey = `${hash} resident ${inputs.map((t) => this.numberOf(weights.get(t.attributes.name as string))).join()}`
    const promotable =
      residency === 'auto' &&
      weights.size > 0 &&
      !this.backend.copiesInputs &&
      largestProduct(graph) <= PROMOTION_ROW_LIMIT
    const alwaysResident = residency === 'resident' || (residency === 'auto' && this.backend.copiesInputs)
    const held = new Set<CachedSession>()

    const acquire = async (): Promise<CachedSession> => {
      const fed = promotable ? this.sessions.get(fedKey) : undefined
      const promote = fed !== undefined && fed.runs >= RUNS_BEFORE_PROMOTION
      const resident = alwaysResident || promote || (promotable && this.sessions.has(residentKey))
      const cached = await this.session(
        resident ? residentKey : fedKey,
        graph,
        inputs,
        resident ? weights : new Map(),
        passes,
      )
      if (promote && fed.active === 0) await this.evict(fed)
      if (!held.has(cached)) {
        held.add(cached)
        cached.users++
      }
      return cached
    }

    return {
      run: async (feeds = {}, { signal } = {}) => {
        throwIfAborted(signal)
        for (const name in feeds) {
          if (!named.has(name))
            throw new DiopterError(
              `The feed '${name}' is no input of this graph; it has: ${[...named.keys()].filter((n) => !weights.has(n)).join(', ') || 'none'}.`,
            )
        }
        const cached = await acquire()
        throwIfAborted(signal)
        const ports: Record<string, TensorValue | StoredTensor> = {}
        for (const { name, index } of cached.feeds) ports[name] = feedFor(inputs[index]!, feeds, weights)
        const types = Object.fromEntries(
          cached.outputs.map((name, i) => [name, { dtype: graph[i]!.dtype, shape: graph[i]!.shape }]),
        )
        cached.runs++
        cached.active++
        this.counters.runs++
        const results = await cached.session.run(ports, types, signal).finally(() => cached.active--)
        return cached.outputs.map((name, i) => ({
          dtype: graph[i]!.dtype,
          shape: graph[i]!.shape,
          data: results[name]!,
        }))
      },
      release: () => {
        for (const cached of held) cached.users--
        held.clear()
      },
    }
  }

  /** Compiles, runs once and releases: for work that is not repeated. */
  async evaluate(
    outputs: readonly Tensor[],
    feeds: Readonly<Record<string, TensorValue>> = {},
    options: CompileOptions & WorkOptions = {},
  ): Promise<TensorValue[]> {
    const program = this.compile(outputs, options)
    try {
      return await program.run(feeds, options)
    } finally {
      program.release()
    }
  }

  /** Releases every session and the backend. */
  async dispose(): Promise<void> {
    for (const cached of [...this.sessions.values()]) await this.evict(cached)
    await this.backend.dispose()
  }

  private readonly storedNumbers = new WeakMap<StoredTensor, number>()
  private nextStored = 0
  /** A number per stored tensor, so that a resident session is never used for other weights. */
  private numberOf(stored: StoredTensor | undefined): number | undefined {
    if (stored === undefined) return undefined
    const number = this.storedNumbers.get(stored) ?? this.nextStored++
    this.storedNumbers.set(stored, number)
    return number
  }

  private async session(
    key: string,
    graph: readonly Tensor[],
    inputs: readonly Tensor[],
    residents: ReadonlyMap<string, StoredTensor>,
    fuse: boolean,
  ): Promise<CachedSession> {
    const cached = this.sessions.get(key)
    if (cached) {
      this.sessions.delete(key)
      this.sessions.set(key, cached) // now the most recently used
      return cached
    }
    const pending = this.compiling.get(key) ?? this.create(key, graph, inputs, residents, fuse)
    this.compiling.set(key, pending)
    try {
      return await pending
    } finally {
      this.compiling.delete(key)
    }
  }

  private async create(
    key: string,
    graph: readonly Tensor[],
    inputs: readonly Tensor[],
    residents: ReadonlyMap<string, StoredTensor>,
    fuse: boolean,
  ): Promise<CachedSession> {
    const isResident = (t: Tensor) => residents.has(t.attributes.name as string)
    const model = emit(graph, { isResident, fuse })
    const externals = Object.fromEntries(
      model.residents.map(({ name, tensor }) => [name, residents.get(tensor.attributes.name as string)!]),
    )
    const session = await this.backend.createSession(model.bytes, {
      residents: externals,
      optimisation: fuse ? 'full' : 'quick',
    })
    this.counters.compiles++
    const index = new Map(inputs.map((t, i) => [t, i]))
    const weightBytes = Object.values(externals).reduce((sum, { bytes }) => sum + bytes, 0)
    const cached: CachedSession = {
      key,
      session,
      // A session keeps the parsed model (several times its bytes) and its own packed copy of resident weights.
      bytes: 4 * model.bytes.length + 2 ** 17 + weightBytes,
      feeds: model.feeds.map(({ name, tensor }) => ({ name, index: index.get(tensor)! })),
      outputs: model.outputs,
      runs: 0,
      users: 0,
      active: 0,
    }
    this.sessions.set(key, cached)
    await this.evictBeyondLimit(cached)
    return cached
  }

  private async evictBeyondLimit(newest: CachedSession): Promise<void> {
    for (const cached of [...this.sessions.values()]) {
      if (this.statistics.sessionBytes <= this.cacheBytes) return
      if (cached !== newest && cached.users === 0 && cached.active === 0) await this.evict(cached)
    }
  }

  private async evict(cached: CachedSession): Promise<void> {
    if (this.sessions.get(cached.key) === cached) this.sessions.delete(cached.key)
    await cached.session.release()
  }
}

function feedFor(
  input: Tensor,
  feeds: Readonly<Record<string, TensorValue>>,
  weights: ReadonlyMap<string, StoredTensor>,
): TensorValue | StoredTensor {
  if (input.value !== undefined) return { dtype: input.dtype, shape: input.shape, data: input.value }
  const name = input.attributes.name as string
  const value = feeds[name] ?? weights.get(name)
  if (!value)
    throw new DiopterError(
      `The graph needs a value for its input '${name}' ${formatShape(input.shape)}, and none was given.`,
    )
  if (value.dtype !== input.dtype || !sameShape(value.shape, input.shape)) {
    throw new DiopterError(
      `The input '${name}' is ${input.dtype} ${formatShape(input.shape)}; the value given is ${value.dtype} ${formatShape(value.shape)}.`,
    )
  }
  return value
}

/** The most rows that any product with a weight has: how large the batch of this graph is. */
function largestProduct(outputs: readonly Tensor[]): number {
  let rows = 0
  for (const t of topologicalOrder(outputs)) {
    if (t.op === 'matmul' && t.inputs[1]!.rank === 2) rows = Math.max(rows, sizeOf(t.shape) / t.shape[t.rank - 1]!)
  }
  return rows
}

/** Bytes of the values of a type. */
export function bytesOf({ dtype, shape }: { readonly dtype: TensorValue['dtype']; readonly shape: Shape }): number {
  return sizeOf(shape) * bytesPerElement(dtype)
}
