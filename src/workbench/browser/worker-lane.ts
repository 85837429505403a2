import { DiopterError } from '../../errors/index.ts'
import type { Exchange } from '../service/create-service.ts'
import type { ServiceRequest } from '../service/messages.ts'
import type { WireEvent } from '../service/wire.ts'
import type { FromWorker, ToWorker } from './worker-messages.ts'

/** A request that has not ended. */
interface Pending {
  readonly id: number
  readonly request: ServiceRequest
  readonly receive: (event: WireEvent) => void
  readonly end: () => void
  readonly fail: (error: DiopterError) => void
  /** Runs and trainings: one at a time, in order. */
  readonly heavy: boolean
  /** Whether the worker has it. */
  sent: boolean
}

/**
 * A Web Worker that answers requests, started when it is needed: short ones at once, runs and trainings one after the other.
 * A request that is stopped by force takes the worker with it; what else was under way begins anew in the next one.
 */
export class WorkerLane {
  private readonly create: () => Worker
  private readonly greet: () => readonly ToWorker[]
  private worker: Worker | undefined
  private readonly pending = new Map<number, Pending>()
  private nextId = 0

  /** `greet` gives what a new worker is told first. */
  constructor(create: () => Worker, greet: () => readonly ToWorker[]) {
    this.create = create
    this.greet = greet
  }

  /** Tells the worker something, if there is one; a later one hears it from `greet`. */
  tell(message: ToWorker): void {
    this.worker?.postMessage(message)
  }

  send(request: ServiceRequest, receive: (event: WireEvent) => void): Exchange {
    const id = this.nextId++
    const heavy = request.kind === 'run' || request.kind === 'train'
    const ended = new Promise<void>((end, fail) => {
      this.pending.set(id, { id, request, receive, end, fail, heavy, sent: false })
    })
    const ahead = heavy ? [...this.pending.values()].filter((other) => other.heavy).length - 1 : 0
    if (ahead > 0) receive({ kind: 'queued', id, ahead })
    this.sendWaiting()
    return { ended, cancel: () => this.cancel(id), stop: () => this.stop(id) }
  }

  /** Ends the worker; requests under way end without an answer. */
  dispose(): void {
    this.terminate()
    for (const { end } of this.pending.values()) end()
    this.pending.clear()
  }

  private cancel(id: number): void {
    const cancelled = this.pending.get(id)
    if (cancelled?.sent) this.worker?.postMessage({ kind: 'cancel', id } satisfies ToWorker)
    else this.finish(id)
  }

  private stop(id: number): void {
    const stopped = this.pending.get(id)
    if (!stopped) return
    if (stopped.sent) this.terminate()
    this.finish(id)
  }

  private finish(id: number): void {
    const finished = this.pending.get(id)
    this.pending.delete(id)
    finished?.end()
    this.sendWaiting()
  }

  private terminate(): void {
    this.worker?.terminate()
    this.worker = undefined
    for (const pending of this.pending.values()) pending.sent = false
  }

  private sendWaiting(): void {
    for (const pending of this.pending.values()) {
      if (pending.sent || (pending.heavy && this.isBusy())) continue
      this.worker ??= this.start()
      pending.sent = true
      this.worker.postMessage({ kind: 'request', id: pending.id, request: pending.request } satisfies ToWorker)
    }
  }

  private isBusy(): boolean {
    return [...this.pending.values()].some(({ heavy, sent }) => heavy && sent)
  }

  private start(): Worker {
    const worker = this.create()
    worker.addEventListener('message', ({ data }: MessageEvent<FromWorker>) => {
      // A worker that was ended may have sent before.
      if (worker !== this.worker) return
      this.pending.get(data.id)?.receive(data.event)
      if (data.last) this.finish(data.id)
    })
    worker.addEventListener('error', ({ message }) => this.lose(worker, message))
    for (const message of this.greet()) worker.postMessage(message)
    return worker
  }

  /** The worker could not be loaded, or broke: everything under way fails, and the next request starts another. */
  private lose(worker: Worker, message: string | undefined): void {
    if (worker !== this.worker) return
    this.terminate()
    const lost = [...this.pending.values()]
    this.pending.clear()
    const reason = message ? `broke (${message})` : 'could not be loaded'
    for (const { fail } of lost) fail(new DiopterError(`The page's worker ${reason}. Reload the page, and try again.`))
  }
}
