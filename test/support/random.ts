import { type Shape, sizeOf } from '../../src/tensor/index.ts'

/** A source of uniform numbers in [0, 1) that repeats for the same seed (mulberry32). */
export function randomSource(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Values of `shape` uniform in low..high. */
export function uniform(shape: Shape, random: () => number, low = -2, high = 2): Float64Array {
  return Float64Array.from({ length: sizeOf(shape) }, () => low + (high - low) * random())
}
