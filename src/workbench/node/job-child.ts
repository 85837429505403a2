import { type ChildProcess, fork } from 'node:child_process'
import type { JobMessage, JobReply } from './job-protocol.ts'
import type { ModelPlace } from './model-places.ts'

/** How the child is heard. */
export interface JobChildEvents {
  readonly onReply: (reply: JobReply) => void
  /** Once, when the child has ended: how, as the rest of a sentence, such as `was ended by SIGKILL`. */
  readonly onEnd: (how: string) => void
}

/** The process that does the jobs, seen from the server. */
export class JobChild {
  private readonly child: ChildProcess
  private readonly events: JobChildEvents
  private readonly killWithParent = () => this.child.kill('SIGKILL')
  private ended = false
  /** Whether it was ended on purpose. */
  killed = false
  /** Settled when the process has ended. */
  readonly over: Promise<void>

  constructor(entry: string, places: readonly ModelPlace[], events: JobChildEvents) {
    this.events = events
    this.child = fork(entry, {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.over = new Promise((resolve) => {
      const end = (how: string) => {
        this.end(how)
        resolve()
      }
      this.child.on('error', (error) => end(`could not be started (${error.message})`))
      this.child.on('exit', (code, signal) => end(signal ? `was ended by ${signal}` : `exited with code ${code}`))
    })
    this.child.on('message', (reply: JobReply) => {
      if (!this.ended) events.onReply(reply)
    })
    process.once('exit', this.killWithParent)
    this.send({ kind: 'start', places })
  }

  get pid(): number | undefined {
    return this.child.pid
  }

  send(message: JobMessage): void {
    // A child that cannot be reached has ended, and says so itself.
    if (this.child.connected) this.child.send(message, () => undefined)
  }

  kill(): void {
    this.killed = true
    this.child.kill('SIGKILL')
  }

  private end(how: string): void {
    if (this.ended) return
    this.ended = true
    process.off('exit', this.killWithParent)
    this.events.onEnd(how)
  }
}
