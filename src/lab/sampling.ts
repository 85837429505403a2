import { DiopterError } from '../errors/index.ts'

/** How the next token is chosen from its logits. */
export interface SamplingOptions {
  /** Always the most likely token; the default when no temperature is given. */
  readonly greedy?: boolean
  readonly temperature?: number
  /** Only the k most likely tokens. */
  readonly topK?: number
  /** Only the most likely tokens that together hold this probability. */
  readonly topP?: number
  readonly seed?: number
}

/** A deterministic stream of numbers in [0, 1) (SplitMix32-style mixing of a counter). */
export function randomStream(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let x = state
    x = Math.imul(x ^ (x >>> 16), 0x21f0aaad)
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97)
    return ((x ^ (x >>> 15)) >>> 0) / 2 ** 32
  }
}

/** Whether the options ask for chance rather than for the most likely token. */
export function samples({ temperature, topK, topP }: SamplingOptions): boolean {
  return temperature !== 0 && (temperature !== undefined || topK !== undefined || topP !== undefined)
}

/** Makes the function that picks a token id from one row of logits. Throws for options that contradict each other. */
export function sampler(options: SamplingOptions): (logits: Float32Array) => number {
  const { greedy, temperature, topK, topP, seed = 0 } = options
  if (greedy && (temperature !== undefined || topK !== undefined || topP !== undefined))
    throw new DiopterError('greedy takes the most likely token; leave out temperature, topK and topP.')
  if (temperature !== undefined && !(temperature >= 0))
    throw new DiopterError(`temperature ${temperature} must be 0 or more.`)
  if (topK !== undefined && !(Number.isInteger(topK) && topK >= 1))
    throw new DiopterError(`topK ${topK} must be a whole number from 1.`)
  if (topP !== undefined && !(topP > 0 && topP <= 1)) throw new DiopterError(`topP ${topP} must lie in (0, 1].`)
  if (!samples(options)) return argmax
  const random = randomStream(seed)
  return (logits) => {
    const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]! || a - b)
    const kept = topK === undefined ? order : order.slice(0, topK)
    const peak = logits[kept[0]!]!
    const weights = kept.map((id) => Math.exp((logits[id]! - peak) / (temperature ?? 1)))
    const total = weights.reduce((sum, w) => sum + w, 0)
    let count = kept.length
    if (topP !== undefined) {
      let mass = 0
      count = weights.findIndex((w) => (mass += w / total) >= topP) + 1 || kept.length
    }
    let rest = random() * weights.slice(0, count).reduce((sum, w) => sum + w, 0)
    for (let i = 0; i < count; i++) {
      rest -= weights[i]!
      if (rest < 0) return kept[i]!
    }
    return kept[count - 1]!
  }
}

/** The index of the largest logit, the first of equals. */
export function argmax(logits: ArrayLike<number>): number {
  let best = 0
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i
  return best
}
