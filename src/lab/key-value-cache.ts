import type { ModelConfig } from '../models/config.ts'

/** Keys (rotated) and values of every layer for the tokens so far, each row-major [batch, key/value heads, capacity, d_head]. */
export class KeyValueCache {
  readonly batch: number
  readonly capacity: number
  /** The number of each row's prompt: rows are sorted by length. */
  readonly prompts: readonly number[]
  /** Leading slots of every row that hold no token. */
  readonly padding: readonly number[]
  readonly layers: readonly { readonly k: Float32Array; readonly v: Float32Array }[]
  /** Slots filled so far. */
  length = 0
  private readonly heads: number
  private readonly size: number

  constructor(config: ModelConfig, capacity: number, prompts: readonly number[], padding: readonly number[]) {
    const batch = prompts.length
    this.batch = batch
    this.capacity = capacity
    this.prompts = prompts
    this.padding = padding
    this.heads = config.n_key_value_heads
    this.size = config.d_head
    const elements = batch * this.heads * capacity * this.size
    this.layers = Array.from({ length: config.n_layers }, () => ({
      k: new Float32Array(elements),
      v: new Float32Array(elements),
    }))
  }

  /** Writes `count` new slots of one layer, [batch, heads, count, d_head], behind those that are filled. */
  write(layer: number, k: Float32Array, v: Float32Array, count: number): void {
    const run = count * this.size
    for (let row = 0; row < this.batch * this.heads; row++) {
      const to = (row * this.capacity + this.length) * this.size
      this.layers[layer]!.k.set(k.subarray(row * run, (row + 1) * run), to)
      this.layers[layer]!.v.set(v.subarray(row * run, (row + 1) * run), to)
    }
  }

  /** A copy with more room. */
  grown(config: ModelConfig, capacity: number): KeyValueCache {
    const larger = new KeyValueCache(config, capacity, this.prompts, this.padding)
    const [from, to] = [this.capacity * this.size, capacity * this.size]
    this.layers.forEach(({ k, v }, layer) => {
      for (let row = 0; row < this.batch * this.heads; row++) {
        larger.layers[layer]!.k.set(k.subarray(row * from, (row + 1) * from), row * to)
        larger.layers[layer]!.v.set(v.subarray(row * from, (row + 1) * from), row * to)
      }
    })
    larger.length = this.length
    return larger
  }
}
