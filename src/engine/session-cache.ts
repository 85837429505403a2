import type { BackendSession } from './backend.ts'

/** A session with how its ports correspond to the graph it was made for. */
export interface CompiledSession {
  readonly session: BackendSession
  /** An estimate of what it holds in memory. */
  readonly bytes: number
  /** Feed ports with the number of their input node in canonical order. */
  readonly feeds: readonly { readonly name: string; readonly index: number }[]
  readonly outputs: readonly string[]
}

/** A compiled session and who uses it. */
export interface CachedSession extends CompiledSession {
  readonly key: string
  /** Runs by which weights they were given: models of equal structure share a session, and are promoted each by itself. */
  readonly runsByWeights: Map<string, number>
  /** Programs that hold it: it is not evicted for room while there are any. */
  users: number
  /** Runs in progress: it is given back only after the last of them. */
  active: number
  evicted: boolean
}

/** Sessions by key, bounded by bytes: beyond the bound the least recently used ones that nobody holds are given back. */
export class SessionCache {
  private readonly limit: number
  /** In order of last use. */
  private readonly sessions = new Map<string, CachedSession>()
  private readonly pending = new Map<string, Promise<CachedSession>>()

  constructor(limitBytes: number) {
    this.limit = limitBytes
  }

  get size(): number {
    return this.sessions.size
  }

  get bytes(): number {
    let bytes = 0
    for (const cached of this.sessions.values()) bytes += cached.bytes
    return bytes
  }

  /** The session of `key` if there is one, without counting as a use. */
  peek(key: string): CachedSession | undefined {
    return this.sessions.get(key)
  }

  /** The session of `key`, made by `create` when there is none; callers at the same time share one creation. */
  async get(key: string, create: () => Promise<CompiledSession>): Promise<CachedSession> {
    const cached = this.sessions.get(key)
    if (cached) {
      this.sessions.delete(key)
      this.sessions.set(key, cached) // now the most recently used
      return cached
    }
    const known = this.pending.get(key)
    if (known) return known
    const pending = this.add(key, create).finally(() => this.pending.delete(key))
    this.pending.set(key, pending)
    return pending
  }

  /** Runs `work` on a session, which is not given back before that ends. */
  async use<T>(cached: CachedSession, work: () => Promise<T>): Promise<T> {
    cached.active++
    try {
      return await work()
    } finally {
      cached.active--
      if (cached.evicted && cached.active === 0) await cached.session.release()
    }
  }

  /** Forgets a session, and gives it back when no run is in progress on it, or after the last one. */
  async evict(key: string): Promise<void> {
    const cached = this.sessions.get(key)
    if (!cached) return
    this.sessions.delete(key)
    cached.evicted = true
    if (cached.active === 0) await cached.session.release()
  }

  /** Evicts what is beyond the bound. The session used last stays, however large: it would have to be made again. */
  async trim(): Promise<void> {
    const evictions = []
    for (const cached of [...this.sessions.values()].slice(0, -1)) {
      if (this.bytes <= this.limit) break
      if (cached.users === 0 && cached.active === 0) evictions.push(this.evict(cached.key))
    }
    await Promise.all(evictions)
  }

  /** Evicts everything, sessions still being made included. */
  async clear(): Promise<void> {
    await Promise.allSettled(this.pending.values())
    await Promise.all([...this.sessions.keys()].map((key) => this.evict(key)))
  }

  private async add(key: string, create: () => Promise<CompiledSession>): Promise<CachedSession> {
    const cached: CachedSession = {
      ...(await create()),
      key,
      runsByWeights: new Map(),
      users: 0,
      active: 0,
      evicted: false,
    }
    this.sessions.set(key, cached)
    await this.trim()
    return cached
  }
}
