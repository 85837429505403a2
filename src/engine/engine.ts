import { DiopterError, throwIfAborted, type WorkOptions } from '../errors/index.ts'
import { emit } from '../onnx/index.ts'
import {
  bytesPerElement,
  dtypeOf,
  formatShape,
  type Shape,
  sameShape,
  sizeOf,
  type Tensor,
  topologicalOrder,
} from '../tensor/index.ts'
import { arenaBytes } from './arena-bytes.ts'
import { type Backend, type FilePlace, isStored, type StoredTensor, type TensorValue } from './backend.ts'
import { Planner } from './plan.ts'
import { type CachedSession, type CompiledSession, SessionCache } from './session-cache.ts'

/** Where weights live: fed at every run, initializers of the session, or fed first and promoted after a few runs. */
export type Residency = 'inputs' | 'resident' | 'auto'

/** How an engine is made. */
export interface EngineOptions {
  readonly backend: Backend
  /** Sessions beyond this many bytes are given back, the least recently used first, unless a program holds them; 2 GiB by default. */
  readonly cacheBytes?: number
  /** What `dispose` gives back after the sessions; the backend unless given, for an engine on a backend that others use too. */
  readonly giveBack?: () => Promise<void>
}

/** How a graph is compiled. */
export interface CompileOptions {
  /** Values of named inputs that do not change from run to run, by input name. */
  readonly weights?: ReadonlyMap<string, StoredTensor>
  readonly residency?: Residency
  /** False emits the graph as traced, without passes or fused operators: the reference in tests. */
  readonly optimise?: boolean
  /** False for one of many large graphs: its session then keeps no memory for intermediate values between runs. */
  readonly arena?: boolean
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
  private readonly sessions: SessionCache
  private readonly giveBack: () => Promise<void>
  private readonly planner = new Planner()
  private counters = { compiles: 0, runs: 0 }
  private disposed = false

  constructor({ backend, cacheBytes = 2 * 1024 ** 3, giveBack = () => backend.dispose() }: EngineOptions) {
    this.backend = backend
    this.giveBack = giveBack
    this.sessions = new SessionCache(cacheBytes)
  }

  get statistics(): EngineStatistics {
    return { ...this.counters, sessions: this.sessions.size, sessionBytes: this.sessions.bytes }
  }

  /** Optimises and compiles the graph under `outputs`; the session itself is made at the first run, or found in the cache. */
  compile(
    outputs: readonly Tensor[],
    { weights = new Map(), residency = 'auto', optimise: passes = true, arena = true }: CompileOptions = {},
  ): Program {
    const planned = this.planner.plan(outputs, passes)
    const { plan } = planned
    const inputs = plan.inputs.map((place) => planned.inputs[place]!)
    // An input that the passes found to be unneeded may still be fed.
    const named = new Map(
      planned.inputs.flatMap((t) => (t.value === undefined ? [[t.attributes.name as string, t] as const] : [])),
    )
    for (const [name, t] of named) {
      const weight = weights.get(name)
      if (weight) requireType(`weight '${name}'`, t, weight)
    }
    const hash = arena ? plan.hash : `${plan.hash} without arena`
    const fedKey = `${hash} fed`
    const residentKey = `${hash} resident ${inputs.map((t) => this.numberOf(weights.get(t.attributes.name as string))).join()}`
    const promotable =
      residency === 'auto' && weights.size > 0 && !this.backend.copiesInputs && plan.rows <= PROMOTION_ROW_LIMIT
    const alwaysResident = residency === 'resident' || (residency === 'auto' && this.backend.copiesInputs)
    const held = new Set<CachedSession>()

    const acquire = async (): Promise<CachedSession> => {
      const fed = promotable ? this.sessions.peek(fedKey) : undefined
      const isPromoted = promotable && this.sessions.peek(residentKey) !== undefined
      const promote = !isPromoted && (fed?.runsByWeights.get(residentKey) ?? 0) >= RUNS_BEFORE_PROMOTION
      const resident = alwaysResident || isPromoted || promote
      const cached = await this.sessions.get(resident ? residentKey : fedKey, () =>
        this.create(planned.optimised(), inputs, resident ? weights : new Map(), { fuse: passes, arena }),
      )
      // Another program may go on with the fed session: with other weights, or to feed what is resident here.
      if (promote && fed?.users === (held.has(fed!) ? 1 : 0)) await this.sessions.evict(fedKey)
      if (!held.has(cached)) {
        held.add(cached)
        cached.users++
      }
      return cached
    }

    return {
      run: async (feeds = {}, { signal } = {}) => {
        throwIfAborted(signal)
        this.requireAlive()
        for (const name in feeds) requireFeedable(name, named, weights)
        let cached = await acquire()
        while (cached.evicted) cached = await acquire() // another run made room in between
        return this.sessions.use(cached, async () => {
          throwIfAborted(signal)
          const ports: Record<string, TensorValue | StoredTensor> = {}
          for (const { name, index } of cached.feeds) ports[name] = feedFor(inputs[index]!, feeds, weights)
          const types = Object.fromEntries(cached.outputs.map((name, i) => [name, plan.outputs[i]!]))
          cached.runsByWeights.set(residentKey, (cached.runsByWeights.get(residentKey) ?? 0) + 1)
          this.counters.runs++
          const results = await cached.session.run(ports, types, signal)
          return outputs.map(({ dtype, shape }, i) => ({ dtype, shape, data: results[cached.outputs[i]!]! }))
        })
      },
      release: () => {
        for (const cached of held) cached.users--
        held.clear()
        void this.sessions.trim()
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

  /** Releases every session and the backend (or what `giveBack` says); runs in progress end first, or are stopped where the backend can. */
  async dispose(): Promise<void> {
    this.disposed = true
    await this.sessions.clear()
    await this.giveBack()
  }

  private requireAlive(): void {
    if (this.disposed) throw new DiopterError('This engine was disposed; make a new one to run anything.')
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

  private async create(
    graph: readonly Tensor[],
    inputs: readonly Tensor[],
    residents: ReadonlyMap<string, StoredTensor>,
    { fuse, arena }: { readonly fuse: boolean; readonly arena: boolean },
  ): Promise<CompiledSession> {
    this.requireAlive()
    const isResident = (t: Tensor) => residents.has(t.attributes.name as string)
    const places = new Map<Tensor, FilePlace>()
    for (const t of inputs) {
      const place = isResident(t) && (await this.backend.place?.(residents.get(t.attributes.name as string)!))
      if (place) places.set(t, place)
    }
    const model = emit(graph, {
      isResident,
      fuse,
      place: (t) => places.get(t),
      feedTables: !this.backend.copiesInputs,
      gpu: this.backend.gpu,
      narrow: this.backend.narrowsFloat64,
    })
    const stored = model.residents.map(
      ({ name, tensor }) => [tensor, name, residents.get(tensor.attributes.name as string)!] as const,
    )
    const externals = Object.fromEntries(
      stored.flatMap(([tensor, name, value]) => (places.has(tensor) ? [] : [[name, value]])),
    )
    const session = await this.backend.createSession(model.bytes, {
      residents: externals,
      optimisation: fuse ? 'full' : 'quick',
      arena,
    })
    this.counters.compiles++
    const index = new Map(inputs.map((t, i) => [t, i]))
    return {
      session,
      // A session keeps the parsed model (several times its bytes), its own packed copy of resident weights, and its arena.
      bytes: 4 * model.bytes.length + 2 ** 17 + packedBytes(graph, isResident) + (arena ? arenaBytes(graph) : 0),
      feeds: model.feeds.map(({ name, tensor }) => ({ name, index: index.get(tensor)! })),
      outputs: model.outputs,
    }
  }
}

/** Throws when `name` cannot be fed: a weight may be resident, where a fed value would be ignored. */
function requireFeedable(
  name: string,
  named: ReadonlyMap<string, Tensor>,
  weights: ReadonlyMap<string, StoredTensor>,
): void {
  if (named.has(name) && !weights.has(name)) return
  if (named.has(name))
    throw new DiopterError(`'${name}' was fed, but it is one of this program's weights; compile without it to feed it.`)
  const known = [...named.keys()].filter((n) => !weights.has(n)).join(', ')
  throw new DiopterError(`The feed '${name}' is no input of this graph; it has: ${known || 'none'}.`)
}

function requireType(what: string, t: Tensor, { dtype, shape }: Pick<TensorValue, 'dtype' | 'shape'>): void {
  if (dtype !== t.dtype || !sameShape(shape, t.shape))
    throw new DiopterError(
      `The ${what} is ${dtype} ${formatShape(shape)}; the graph expects ${t.dtype} ${formatShape(t.shape)}.`,
    )
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
  requireType(`value of the input '${name}'`, input, value)
  if (!isStored(value) && (dtypeOf(value.data) !== value.dtype || value.data.length !== sizeOf(value.shape)))
    throw new DiopterError(
      `The value of the input '${name}' says ${value.dtype} ${formatShape(value.shape)}, its array holds ${value.data.length} elements of ${dtypeOf(value.data)}.`,
    )
  return value
}

/** Bytes of resident weights as products pack them: once for each product that reads them. */
function packedBytes(outputs: readonly Tensor[], isResident: (t: Tensor) => boolean): number {
  let bytes = 0
  for (const t of topologicalOrder(outputs)) {
    for (const operand of t.op === 'matmul' ? t.inputs : []) {
      const stored = operand.op === 'transpose' || operand.op === 'reshape' ? operand.inputs[0]! : operand
      if (stored.op === 'input' && isResident(stored)) bytes += bytesOf(stored)
    }
  }
  return bytes
}

/** Bytes of the values of a type. */
export function bytesOf({ dtype, shape }: { readonly dtype: TensorValue['dtype']; readonly shape: Shape }): number {
  return sizeOf(shape) * bytesPerElement(dtype)
}
