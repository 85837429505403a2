/** A deterministic source of random numbers, the same on every machine. */
export interface RandomSource {
  /** Uniform in [0, 1), 53 bits. */
  uniform(): number
  /** A whole number in 0 .. bound - 1, without bias that could be noticed (53 bits). */
  integer(bound: number): number
  /** Standard normal. */
  normal(): number
}

/**
 * The random numbers that belong to a seed and a path of labels, such as `randomSource(seed, 'batch', step)`.
 * Numbers of one path never depend on how many of another were drawn: a batch is a function of its step alone, so that
 * training resumes exactly without saving any generator's state. (xoshiro128**, Blackman & Vigna 2018, keyed by a hash.)
 */
export function randomSource(seed: number, ...path: readonly (string | number)[]): RandomSource {
  const state = hashPath(seed, path)
  const next = (): number => {
    const result = Math.imul(rotate(Math.imul(state[1]!, 5), 7), 9) >>> 0
    const shifted = state[1]! << 9
    state[2]! ^= state[0]!
    state[3]! ^= state[1]!
    state[1]! ^= state[2]!
    state[0]! ^= state[3]!
    state[2]! ^= shifted
    state[3] = rotate(state[3]!, 11)
    return result
  }
  const uniform = () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53
  let spare: number | undefined
  return {
    uniform,
    integer: (bound) => Math.floor(uniform() * bound),
    normal() {
      if (spare !== undefined) {
        const value = spare
        spare = undefined
        return value
      }
      // Box-Muller; 1 - u is never 0
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()))
      const angle = 2 * Math.PI * uniform()
      spare = radius * Math.sin(angle)
      return radius * Math.cos(angle)
    },
  }
}

/** The numbers 0 .. size-1 in random order (Fisher-Yates). */
export function permutation(size: number, random: RandomSource): Uint32Array {
  const order = Uint32Array.from({ length: size }, (_, i) => i)
  for (let i = size - 1; i > 0; i--) {
    const j = random.integer(i + 1)
    const swapped = order[i]!
    order[i] = order[j]!
    order[j] = swapped
  }
  return order
}

/** `size` independent normal values of standard deviation `deviation`. */
export function normalValues(size: number, deviation: number, random: RandomSource): Float32Array {
  return Float32Array.from({ length: size }, () => deviation * random.normal())
}

/**
 * `size` uniform float32 values in [0, 1), 24 bits each, that belong to a seed and a path: the same generator with its
 * state in local variables, ten times faster than drawing them one by one.
 */
export function uniformValues(size: number, seed: number, ...path: readonly (string | number)[]): Float32Array {
  const values = new Float32Array(size)
  let [a, b, c, d] = hashPath(seed, path) as unknown as [number, number, number, number]
  for (let i = 0; i < size; i++) {
    const word = Math.imul(rotate(Math.imul(b, 5), 7), 9)
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = rotate(d, 11)
    values[i] = (word >>> 8) / 2 ** 24
  }
  return values
}

const rotate = (x: number, by: number) => (x << by) | (x >>> (32 - by))

/** Four 32-bit words from a seed and labels: every character of every label is mixed into all of them. */
function hashPath(seed: number, path: readonly (string | number)[]): Int32Array {
  const words = Int32Array.of(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344)
  const text = JSON.stringify([seed, ...path])
  for (let i = 0; i < text.length; i++) {
    for (let lane = 0; lane < 4; lane++) {
      words[lane] = mix(words[lane]! ^ (text.charCodeAt(i) + Math.imul(lane + 1, 0x9e3779b9)) ^ words[(lane + 3) % 4]!)
    }
  }
  return words
}

function mix(x: number): number {
  let mixed = Math.imul(x ^ (x >>> 16), 0x7feb352d)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b)
  return mixed ^ (mixed >>> 16)
}
