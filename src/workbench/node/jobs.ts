import { encodeEvent, isLast, type WireEvent } from '../service/wire.ts'
import { JobChild } from './job-child.ts'
import type { JobReply } from './job-protocol.ts'
import type { ModelPlace } from './model-places.ts'

/** How much is done at once, and how long a cancelled job may take to stop. */
export interface JobLimits {
  /** Jobs that wait for the running one; 8 unless given. */
  readonly waiting?: number | undefined
  /** Small questions that are open at once; 32 unless given. */
  readonly questions?: number | undefined
  /** Milliseconds from asking a job to stop to killing the process that does it; 2000 unless given. */
  readonly patience?: number | undefined
}

/** Hears a job's events in order, encoded; the last one is `done`, `failed` or `cancelled`. */
export type JobListener = (event: { readonly kind: WireEvent['kind']; readonly text: string }) => void

interface Job {
  readonly id: number
  readonly request: unknown
  readonly listener: JobListener
  /** Small questions are answered at once, between the pauses of what runs. */
  readonly isQuestion: boolean
  /** Where it is carried out; undefined while it waits. */
  child: JobChild | undefined
  /** Kills the process of a job that was cancelled and does not stop. */
  force: ReturnType<typeof setTimeout> | undefined
}

const QUESTIONS: ReadonlySet<unknown> = new Set(['models', 'tokenize', 'align'])

/**
 * Carries out requests in a child process: one job after the other, and small questions beside them. A job that does not stop
 * when it is cancelled is killed with its process, and the next one starts a new process. When the process ends by itself, what it did fails.
 */
export class Jobs {
  private readonly entry: string
  private readonly places: readonly ModelPlace[]
  private readonly limits: Required<{ [Name in keyof JobLimits]: number }>
  private readonly jobs = new Map<number, Job>()
  private child: JobChild | undefined
  private next = 1
  private disposed = false

  constructor(entry: string, places: readonly ModelPlace[], limits: JobLimits = {}) {
    this.entry = entry
    this.places = places
    this.limits = {
      waiting: limits.waiting ?? 8,
      questions: limits.questions ?? 32,
      patience: limits.patience ?? 2000,
    }
  }

  /** The id of the process that does the jobs; undefined while there is none. */
  get pid(): number | undefined {
    return this.child?.pid
  }

  /** Takes a request; its events go to `listener`, never before this returns. Gives undefined when there are too many. */
  submit(request: unknown, listener: JobListener): number | undefined {
    const isQuestion = QUESTIONS.has((request as { kind?: unknown } | null)?.kind)
    const alike = [...this.jobs.values()].filter((job) => job.isQuestion === isQuestion)
    const most = isQuestion ? this.limits.questions : 1 + this.limits.waiting
    if (this.disposed || alike.length >= most) return undefined
    const job: Job = { id: this.next++, request, listener, isQuestion, child: undefined, force: undefined }
    this.jobs.set(job.id, job)
    queueMicrotask(() => {
      if (!this.jobs.has(job.id)) return
      if (isQuestion) this.begin(job)
      else this.advance()
      if (!job.child) this.tellPlace(job)
    })
    return job.id
  }

  /** Stops a job: at its next pause, or by force. Gives false where there is none of that number. */
  cancel(id: number): boolean {
    const job = this.jobs.get(id)
    if (!job) return false
    const { child } = job
    child?.send({ kind: 'cancel', id })
    if (!child) this.finish(job, { kind: 'cancelled', message: 'Cancelled before it began.' })
    // A question that is late waits for a job's pause: there is no need to end that.
    else if (job.isQuestion) this.finish(job, { kind: 'cancelled', message: 'Cancelled.' })
    else job.force ??= setTimeout(() => this.kill(child), this.limits.patience)
    return true
  }

  /** Ends everything. */
  async dispose(): Promise<void> {
    this.disposed = true
    const { child } = this
    for (const job of [...this.jobs.values()])
      this.finish(job, { kind: 'cancelled', message: 'The server was stopped.' })
    child?.kill()
    await child?.over
  }

  /** Jobs that have not begun, in order. */
  private waiting(): Job[] {
    return [...this.jobs.values()].filter(({ child, isQuestion }) => !child && !isQuestion)
  }

  /** Begins the next job unless one runs. */
  private advance(): void {
    const isBusy = [...this.jobs.values()].some(({ child, isQuestion }) => child && !isQuestion)
    const [next] = this.waiting()
    if (next && !isBusy && !this.disposed) this.begin(next)
  }

  private begin(job: Job): void {
    this.tell(job, { kind: 'started', id: job.id })
    this.ask(job)
  }

  private ask(job: Job): void {
    job.child = this.child ??= this.start()
    job.child.send({ kind: 'ask', id: job.id, request: job.request })
  }

  private start(): JobChild {
    const child: JobChild = new JobChild(this.entry, this.places, {
      onReply: (reply) => this.pass(reply),
      onEnd: (how) => this.lose(child, how),
    })
    return child
  }

  private pass({ id, kind, text }: JobReply): void {
    const job = this.jobs.get(id)
    if (!job) return
    job.listener({ kind, text })
    if (isLast({ kind })) this.close(job)
  }

  private kill(child: JobChild): void {
    child.kill()
    // What is asked from now on goes to a new process.
    if (this.child === child) this.child = undefined
  }

  /** A process has ended. If it was killed, its job is cancelled and questions beside it are asked again; else all in it failed. */
  private lose(child: JobChild, how: string): void {
    if (this.child === child) this.child = undefined
    for (const job of [...this.jobs.values()].filter((one) => one.child === child)) {
      if (child.killed && job.isQuestion) this.ask(job)
      else this.finish(job, child.killed ? STOPPED : failed(how))
    }
  }

  private finish(job: Job, event: WireEvent): void {
    this.tell(job, event)
    this.close(job)
  }

  private close(job: Job): void {
    clearTimeout(job.force)
    this.jobs.delete(job.id)
    if (job.isQuestion) return
    this.advance()
    for (const other of this.waiting()) this.tellPlace(other)
  }

  private tellPlace(job: Job): void {
    this.tell(job, { kind: 'queued', id: job.id, ahead: this.waiting().indexOf(job) + 1 })
  }

  private tell(job: Job, event: WireEvent): void {
    job.listener({ kind: event.kind, text: encodeEvent(event) })
  }
}

const STOPPED: WireEvent = {
  kind: 'cancelled',
  message: 'It did not pause in time and was stopped by force; the next request opens its model again.',
}

function failed(how: string): WireEvent {
  const message = `The process that did this ${how}, and what it had not sent is lost (too little memory is the usual reason). The next request starts it again.`
  return { kind: 'failed', message, expected: true }
}
