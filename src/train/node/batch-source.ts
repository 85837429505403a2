import { existsSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { builtEntry } from '../../engine/node/built-entry.ts'
import { type Batches, type BatchSource, batchesOfRun } from '../batches.ts'
import type { TrainingConfig } from '../config.ts'
import type { Problem } from '../problem.ts'

/** Batches off the hot path. */
export interface PreparedBatches {
  readonly next: BatchSource
  /** How many runs' batches came from the worker thread. */
  readonly fromWorker: number
  dispose(): Promise<void>
}

/** When and how batches are made elsewhere. */
export interface PreparedBatchesOptions {
  /** Batches that take longer than this to make are worth a thread; 1 unless given. */
  readonly thresholdMs?: number
  /** The built worker; found in this package's `dist` by default. */
  readonly entry?: string
  readonly warn?: ((message: string) => void) | undefined
}

/** In-place makings that are timed, the fastest of which counts: the first ones still compile. */
const SAMPLES = 3
/** Runs whose batches the worker makes ahead. */
const AHEAD = 2

/**
 * The batches of a registered task's training, made ahead in a worker thread while ONNX Runtime computes (a run blocks the
 * event loop in Node), where making them takes long enough. The worker makes the problem again from its config, and is
 * believed once its first batches are the ones made here. When they are not (it was built from other source), or the worker
 * fails, that is said through `warn`, and batches are made here.
 */
export function prepareBatches(
  problem: Pick<Problem, 'batch' | 'microBatch'>,
  config: TrainingConfig,
  { thresholdMs = 1, entry = builtEntry('train/node/batch-worker.js'), warn }: PreparedBatchesOptions = {},
): PreparedBatches {
  const times: number[] = []
  let worker: BatchWorker | undefined
  let fromWorker = 0
  const makeHere = (step: number): Batches => {
    const begin = performance.now()
    const batches = batchesOfRun(problem, step, config)
    times.push(performance.now() - begin)
    return batches
  }
  return {
    get fromWorker() {
      return fromWorker
    },
    async next(step) {
      if (worker?.isReady) {
        const batches = await worker.take(step)
        if (batches) fromWorker++
        if (batches) return batches
      }
      if (worker?.problem) {
        warn?.(`Batches are made between steps, because the thread that made them ahead ${worker.problem}.`)
        await worker.end()
        worker = undefined
      }
      const batches = makeHere(step)
      if (times.length === SAMPLES && Math.min(...times) > thresholdMs) {
        if (existsSync(entry)) worker = new BatchWorker(entry, config, step, batches)
        else warn?.(`Batches are made between steps, because ${entry} is not built: npm run build.`)
      }
      return batches
    },
    async dispose() {
      await worker?.end()
    },
  }
}

interface Waiting {
  readonly promise: Promise<Batches | undefined>
  /** Nothing, when the worker failed. */
  readonly resolve: (batches: Batches | undefined) => void
}

class BatchWorker {
  /** Whether its batches are known to be the right ones. */
  isReady = false
  /** What went wrong, once it did. */
  problem: string | undefined
  private readonly worker: Worker
  private readonly config: TrainingConfig
  private readonly waiting = new Map<number, Waiting>()

  /** Starts it, and holds its batches of `step` against those that were made here. */
  constructor(entry: string, config: TrainingConfig, step: number, made: Batches) {
    this.config = config
    this.worker = new Worker(entry, { workerData: config })
    this.worker.on('message', ({ step: answered, batches }: { step: number; batches: Batches }) => {
      this.waiting.get(answered)?.resolve(batches)
    })
    this.worker.on('error', (error) => this.fail(`failed (${error.message})`))
    this.worker.on('exit', () => this.fail('ended'))
    void this.ask(step).promise.then((batches) => {
      this.waiting.delete(step)
      if (!batches) return
      if (sameBatches(batches, made)) this.isReady = true
      else this.fail('makes others: it was built from other source (npm run build)')
    })
  }

  /** The batches of the run after `step` steps; the ones after it are asked for, too. Undefined when the worker failed. */
  async take(step: number): Promise<Batches | undefined> {
    const { stepsPerRun, steps } = this.config
    for (let ahead = 0; ahead <= AHEAD; ahead++) {
      const next = step + ahead * stepsPerRun
      if (next < steps && !this.waiting.has(next)) this.ask(next)
    }
    const batches = await this.waiting.get(step)?.promise
    this.waiting.delete(step)
    return batches
  }

  async end(): Promise<void> {
    await this.worker.terminate()
  }

  private ask(step: number): Waiting {
    let resolve: Waiting['resolve'] = () => undefined
    const promise = new Promise<Batches | undefined>((settle) => {
      resolve = settle
    })
    const waiting = { promise, resolve }
    this.waiting.set(step, waiting)
    if (this.problem === undefined) this.worker.postMessage(step)
    else resolve(undefined)
    return waiting
  }

  private fail(problem: string): void {
    this.isReady = false
    this.problem ??= problem
    for (const { resolve } of this.waiting.values()) resolve(undefined)
  }
}

function sameBatches(a: Batches, b: Batches): boolean {
  const names = Object.keys(a)
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => {
      const [one, other] = [a[name]!, b[name]]
      return one.length === other?.length && one.every((value: number | bigint, i: number) => value === other[i])
    })
  )
}
