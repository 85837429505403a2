import { throwIfAborted } from '../../errors/index.ts'
import type { Model } from '../../lab/index.ts'
import { permutation, randomSource } from '../../random/index.ts'
import type { Runner } from '../heads/head-patterns.ts'
import type { MethodOptions } from '../shared/options.ts'
import { lensHooks } from './lens-readout.ts'

/** Residual streams of `rows` tokens: of every row of the lens but the last, [lens rows, rows, d], and of the last, [rows, d]. */
export interface StreamBatch {
  readonly streams: Float32Array
  readonly final: Float32Array
}

/** Residual streams that are held at once, in bytes. */
const POOL_BYTES = 256 * 2 ** 20
/** Tokens of one run. */
const RUN_TOKENS = 1024

/**
 * Residual streams of sequences in random order, token by token, over and over. As many as fit into 256 MiB are held; where all do,
 * the model runs once over each sequence.
 */
export class ActivationPool {
  private readonly hooks: readonly string[]
  private readonly width: number
  private readonly capacity: number
  private readonly sequences: readonly (readonly number[])[]
  private readonly runner: Runner
  private readonly options: MethodOptions
  /** Per hook, [capacity, d]. */
  private readonly held: readonly Float32Array[]
  private filled = 0
  private nextSequence = 0
  private order: Uint32Array = new Uint32Array(0)
  private at = 0
  private pass = 0

  constructor(
    { config }: Model,
    sequences: readonly (readonly number[])[],
    runner: Runner,
    options: MethodOptions,
    bytes: number = POOL_BYTES,
  ) {
    const { hooks } = lensHooks(config)
    const total = sequences.reduce((sum, { length }) => sum + length, 0)
    const longest = Math.max(...sequences.map(({ length }) => length))
    this.hooks = hooks
    this.width = config.d_model
    this.sequences = [...sequences].sort((a, b) => a.length - b.length)
    this.capacity = Math.min(total, Math.max(longest, Math.floor(bytes / (4 * config.d_model * hooks.length))))
    this.held = hooks.map(() => new Float32Array(this.capacity * config.d_model))
    this.runner = runner
    this.options = options
  }

  /** The next `rows` tokens. */
  async next(rows: number): Promise<StreamBatch> {
    const { width, hooks } = this
    const streams = new Float32Array((hooks.length - 1) * rows * width)
    const final = new Float32Array(rows * width)
    for (let row = 0; row < rows; row++) {
      if (this.at === this.order.length) await this.refill()
      const from = this.order[this.at++]! * width
      this.held.forEach((values, hook) => {
        const target = hook === hooks.length - 1 ? final : streams
        const start = (hook === hooks.length - 1 ? row : hook * rows + row) * width
        target.set(values.subarray(from, from + width), start)
      })
    }
    return { streams, final }
  }

  private async refill(): Promise<void> {
    const holdsAll = this.filled > 0 && this.sequences.reduce((sum, { length }) => sum + length, 0) === this.filled
    if (!holdsAll) await this.fill()
    this.order = permutation(this.filled, randomSource(this.options.seed ?? 0, 'tuned lens', 'order', this.pass++))
    this.at = 0
  }

  /** Runs the model over as many of the next sequences as fit. */
  private async fill(): Promise<void> {
    this.filled = 0
    const { sequences } = this
    for (let taken = 0; taken < sequences.length; ) {
      throwIfAborted(this.options.signal)
      const batch = this.nextBatch(sequences.length - taken)
      if (batch.length === 0) return
      const { captures } = await this.runner.run(batch, {
        capture: this.hooks,
        positions: 'none',
        edits: this.options.edits,
        signal: this.options.signal,
      })
      this.hooks.forEach((hook, i) => {
        this.held[i]!.set(captures[hook]!.data as Float32Array, this.filled * this.width)
      })
      this.filled += batch.length * batch[0]!.length
      this.nextSequence = (this.nextSequence + batch.length) % sequences.length
      taken += batch.length
    }
  }

  /** The next sequences of one length that fit, `most` at most. */
  private nextBatch(most: number): (readonly number[])[] {
    const { sequences, nextSequence } = this
    const { length } = sequences[nextSequence]!
    const room = Math.floor((this.capacity - this.filled) / length)
    const count = Math.min(most, room, Math.max(1, Math.floor(RUN_TOKENS / length)))
    const batch = sequences.slice(nextSequence, nextSequence + count)
    const end = batch.findIndex((ids) => ids.length !== length)
    return end < 0 ? batch : batch.slice(0, end)
  }
}
