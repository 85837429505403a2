import { type ChildProcess, fork } from 'node:child_process'
import { DiopterError } from '../../errors/index.ts'
import type { TypedArray } from '../../tensor/index.ts'
import type { NodeBackendOptions } from './backend.ts'
import type { HostReply, HostRequest } from './host-protocol.ts'

interface Waiting {
  readonly resolve: (result: Readonly<Record<string, TypedArray>> | undefined) => void
  readonly reject: (error: unknown) => void
}

/** One child process: sends requests, settles them by its replies, and rejects what is open when the child ends. */
export class Host {
  /** Tensors and sessions that this child holds, by number. */
  readonly held = new Map<string, Promise<void>>()
  /** Settled when the child is ready for work. */
  readonly started: Promise<unknown>
  /** Why the child was killed on purpose, once it was. */
  killed: unknown
  ended = false
  private readonly child: ChildProcess
  private readonly waiting = new Map<number, Waiting>()
  private nextId = 0
  private readonly killWithParent = () => this.child.kill('SIGKILL')

  constructor(entry: string, options: NodeBackendOptions) {
    this.child = fork(entry, {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.child.on('message', (reply: HostReply) => this.settle(reply))
    this.child.on('error', (error) => this.end(`could not be used (${error.message})`))
    this.child.on('exit', (code, signal) => this.end(signal ? `was ended by ${signal}` : `exited with code ${code}`))
    process.once('exit', this.killWithParent)
    this.started = this.request({ kind: 'start', options })
  }

  get pid(): number | undefined {
    return this.child.pid
  }

  request(request: HostRequest): Promise<Readonly<Record<string, TypedArray>> | undefined> {
    return new Promise((resolve, reject) => {
      if (this.ended) {
        reject(this.killed ?? new DiopterError('The process that hosts the engine has ended.'))
        return
      }
      const id = this.nextId++
      this.waiting.set(id, { resolve, reject })
      this.keepParentAlive(true)
      this.child.send({ id, request }, (error) => {
        if (error) this.end(`could not be reached (${error.message})`)
      })
    })
  }

  /** Remembers what the child holds; a failure is forgotten, so that it may be tried again. */
  hold(name: string, sent: Promise<void>): Promise<void> {
    this.held.set(name, sent)
    sent.catch(() => this.held.delete(name))
    return sent
  }

  /** Ends the child at once, whatever it does; open requests are rejected with `reason`. */
  kill(reason: unknown): void {
    this.killed ??= reason
    this.child.kill('SIGKILL')
    this.end('was killed')
  }

  private settle(reply: HostReply): void {
    const waiting = this.waiting.get(reply.id)
    this.waiting.delete(reply.id)
    if (this.waiting.size === 0) this.keepParentAlive(false)
    if ('error' in reply) waiting?.reject(new (reply.expected ? DiopterError : Error)(reply.error))
    else waiting?.resolve(reply.result)
  }

  private end(how: string): void {
    this.ended = true
    process.off('exit', this.killWithParent)
    const error =
      this.killed ??
      new DiopterError(
        `The process that hosts the engine ${how}; what it was doing is lost (too little memory is the usual reason). The next run starts it again.`,
      )
    for (const { reject } of this.waiting.values()) reject(error)
    this.waiting.clear()
    this.keepParentAlive(false)
  }

  /** A child that has nothing to do does not keep its parent from ending. */
  private keepParentAlive(alive: boolean): void {
    if (alive) {
      this.child.ref()
      this.child.channel?.ref()
    } else {
      this.child.unref()
      this.child.channel?.unref()
    }
  }
}
