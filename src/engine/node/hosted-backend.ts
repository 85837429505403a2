import { existsSync } from 'node:fs'
import { DiopterError, throwIfAborted } from '../../errors/index.ts'
import type { DType, Shape } from '../../tensor/index.ts'
import {
  type Backend,
  type BackendSession,
  isStored,
  type SessionOptions,
  type StoredTensor,
  type TensorValue,
} from '../backend.ts'
import type { NodeBackendOptions } from './backend.ts'
import { builtEntry } from './built-entry.ts'
import { Host } from './host.ts'

/** How ONNX Runtime runs in the child process. */
export interface HostedBackendOptions extends NodeBackendOptions {
  /** The built host process; found in this package's `dist` by default. */
  readonly entry?: string
}

/**
 * ONNX Runtime in a child process: the caller's event loop stays free while a run computes, and aborting a run's `signal`
 * kills the child at once. The next run starts it again and sends it what it needs, so stored tensors are kept
 * here, too: weights take their memory twice. Feeds and outputs are copied between the processes.
 * Throws when the host process was not built.
 */
export function createHostedBackend({
  entry = builtEntry('engine/node/host-process.js'),
  ...options
}: HostedBackendOptions = {}): Backend {
  if (!existsSync(entry))
    throw new DiopterError(
      `The engine's host process is not at ${entry}: run \`npm run build\`, or give its path as \`entry\`.`,
    )
  return new HostedBackend(entry, options)
}

/** Tensors are sent in pieces of this many bytes, so that no message comes near the size of the weights. */
const PIECE_BYTES = 2 ** 25

class HostedTensor implements StoredTensor {
  readonly number: number
  readonly value: TensorValue

  constructor(number: number, value: TensorValue) {
    this.number = number
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

/** How to make a session again. */
interface SessionRecord {
  readonly number: number
  readonly model: Uint8Array
  readonly residents: Readonly<Record<string, HostedTensor>>
  readonly optimisation: SessionOptions['optimisation']
  readonly arena: boolean
}

class HostedBackend implements Backend {
  readonly name: string
  readonly blocking = false
  readonly copiesInputs = false
  readonly gpu: boolean
  private readonly entry: string
  private readonly options: NodeBackendOptions
  private readonly stored = new Set<HostedTensor>()
  private host: Host | undefined
  private next = 0
  /** Runs go one after the other: a kill never stops another one's run. */
  private turn: Promise<unknown> = Promise.resolve()
  private disposed = false

  constructor(entry: string, options: NodeBackendOptions) {
    this.entry = entry
    this.options = options
    this.gpu = (options.provider ?? 'cpu') !== 'cpu'
    this.name = `onnxruntime-node ${options.provider ?? 'cpu'} in a child process`
  }

  async store(value: TensorValue): Promise<StoredTensor> {
    const tensor = new HostedTensor(this.next++, value)
    this.stored.add(tensor)
    await this.withHost((host) => this.sendTensor(host, tensor))
    return tensor
  }

  async read(stored: StoredTensor): Promise<TensorValue> {
    return this.own(stored).value
  }

  async release(stored: StoredTensor): Promise<void> {
    const tensor = this.own(stored)
    this.stored.delete(tensor)
    if (this.host && !this.host.ended) await this.dropTensor(this.host, tensor)
  }

  async createSession(model: Uint8Array, { residents, optimisation, arena }: SessionOptions): Promise<BackendSession> {
    const record: SessionRecord = {
      number: this.next++,
      model,
      optimisation,
      arena,
      residents: Object.fromEntries(Object.entries(residents).map(([port, stored]) => [port, this.own(stored)])),
    }
    await this.withHost((host) => this.sendSession(host, record))
    let released = false
    return {
      run: (feeds, outputs, signal) =>
        this.inTurn(async () => {
          if (released) throw new DiopterError('This session was released; compile the graph again.')
          return this.withHost((host) => this.runOn(host, record, feeds, outputs, signal), signal)
        }),
      release: () =>
        this.inTurn(async () => {
          released = true
          const host = this.host
          if (!host || host.ended || !host.held.delete(`session ${record.number}`)) return
          await ignoreEnded(host, host.request({ kind: 'releaseSession', session: record.number }))
        }),
    }
  }

  async dispose(): Promise<void> {
    this.disposed = true
    this.host?.kill(new DiopterError(`${this.name} was disposed.`))
    this.stored.clear()
  }

  private async runOn(
    host: Host,
    record: SessionRecord,
    feeds: Parameters<BackendSession['run']>[0],
    outputs: Parameters<BackendSession['run']>[1],
    signal: AbortSignal | undefined,
  ): ReturnType<BackendSession['run']> {
    const abort = () => host.kill(signal?.reason ?? new DiopterError('The work was cancelled.'))
    signal?.addEventListener('abort', abort, { once: true })
    try {
      await this.sendSession(host, record)
      const sent: Record<string, TensorValue | number> = {}
      for (const port in feeds) {
        const value = feeds[port]!
        if (isStored(value)) await this.sendTensor(host, this.own(value))
        sent[port] = isStored(value) ? this.own(value).number : value
      }
      throwIfAborted(signal)
      return { ...(await host.request({ kind: 'run', session: record.number, feeds: sent, outputs })) }
    } catch (error) {
      throwIfAborted(signal)
      throw error
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  /** Does `work` on the child, which is started if there is none; again when another caller's abort killed it meanwhile. */
  private async withHost<T>(work: (host: Host) => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (;;) {
      throwIfAborted(signal)
      if (this.disposed) throw new DiopterError(`${this.name} was disposed; make a new backend.`)
      if (!this.host || this.host.ended) this.host = new Host(this.entry, this.options)
      const host = this.host
      try {
        await host.started
        return await work(host)
      } catch (error) {
        const isOthersAbort = host.killed !== undefined && host.killed === error && !this.disposed
        if (!isOthersAbort) throw error
      }
    }
  }

  private sendTensor(host: Host, tensor: HostedTensor): Promise<void> {
    const name = `tensor ${tensor.number}`
    return host.held.get(name) ?? host.hold(name, this.sendPieces(host, tensor))
  }

  private async sendPieces(host: Host, { number, value: { dtype, shape, data } }: HostedTensor): Promise<void> {
    for (let offset = 0; offset === 0 || offset < data.byteLength; offset += PIECE_BYTES) {
      const size = Math.min(PIECE_BYTES, data.byteLength - offset)
      const bytes = new Uint8Array(data.buffer, data.byteOffset + offset, size)
      await host.request({ kind: 'store', tensor: number, dtype, shape, offset, bytes })
    }
  }

  private async dropTensor(host: Host, tensor: HostedTensor): Promise<void> {
    const name = `tensor ${tensor.number}`
    const sent = host.held.get(name)
    if (!sent) return
    await ignoreEnded(host, sent)
    if (host.held.delete(name)) await ignoreEnded(host, host.request({ kind: 'release', tensor: tensor.number }))
  }

  private sendSession(host: Host, record: SessionRecord): Promise<void> {
    const name = `session ${record.number}`
    return host.held.get(name) ?? host.hold(name, this.makeSession(host, record))
  }

  private async makeSession(
    host: Host,
    { number, model, residents, optimisation, arena }: SessionRecord,
  ): Promise<void> {
    const numbers: Record<string, number> = {}
    for (const port in residents) {
      await this.sendTensor(host, residents[port]!)
      numbers[port] = residents[port]!.number
    }
    await host.request({ kind: 'createSession', session: number, model, residents: numbers, optimisation, arena })
    // A session has its own copy: of what was released since, nothing else needs to stay.
    for (const tensor of Object.values(residents)) if (!this.stored.has(tensor)) await this.dropTensor(host, tensor)
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.then(work)
    this.turn = result.catch(() => undefined)
    return result
  }

  private own(stored: StoredTensor): HostedTensor {
    if (!(stored instanceof HostedTensor) || !this.stored.has(stored)) {
      throw new DiopterError(
        `A stored tensor [${stored.shape.join(', ')}] was used that ${this.name} does not hold; it was released, or belongs to another backend.`,
      )
    }
    return stored
  }
}

/** Giving something back to a child that has ended is done already. */
async function ignoreEnded(host: Host, request: Promise<unknown>): Promise<void> {
  try {
    await request
  } catch (error) {
    if (!host.ended) throw error
  }
}
