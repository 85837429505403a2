import type { Model } from '../../lab/index.ts'
import { addScaled, type Basis, dot, norm, orthonormal } from './subspace.ts'
import type { Site } from './subspace-site.ts'

/** A weight [inputs, outputs], row-major, that reads an activation [inputs]. */
export interface Reader {
  readonly inputs: number
  readonly outputs: number
  readonly data: ArrayLike<number>
}

/** The one weight that reads a site's activation: what an MLP or a head writes with. Null for streams, which all later layers read. */
export async function readerOf(model: Model, { what, layer, head, size }: Site): Promise<Reader | null> {
  if (what !== 'neurons' && what !== 'z') return null
  const { shape, data } = await model.weights.array(`blocks.${layer}.${what === 'z' ? 'attn.W_O' : 'mlp.W_out'}`)
  const outputs = shape.at(-1)!
  const values = data as Float32Array
  // W_O is [H, dh, d]: a head's own rows lie together.
  return head === null
    ? { inputs: size, outputs, data: values }
    : { inputs: size, outputs, data: values.subarray(head * size * outputs, (head + 1) * size * outputs) }
}

/** What a subspace has in common with what is read: its directions without their parts that the reader takes to 0. */
export interface ReadPart {
  readonly basis: Basis
  /** The share of the directions' squared length that is read, 0 to 1. */
  readonly share: number
}

/** A part of a direction that is shorter than this is none. */
const NOTHING = 1e-4

/** Splits a subspace's directions into what the reader's weights see and what they take to 0, and keeps the former. */
export function readPart(reader: Reader, basis: Basis): ReadPart {
  const parts = basis.map((direction) => seenPart(reader, direction))
  const lengths = parts.map(norm)
  return {
    basis: orthonormal(parts.filter((_, i) => lengths[i]! > NOTHING)),
    share: lengths.reduce((sum, length) => sum + length ** 2, 0) / basis.length,
  }
}

const MOST_STEPS = 400
const CONVERGED = 1e-7

/**
 * The part of v [inputs] in the span of W's columns: W c for the c [outputs] that makes |v - W c| least, by conjugate
 * gradients (CGLS; Hestenes & Stiefel 1952), which need W only in products with vectors.
 */
function seenPart({ inputs, outputs, data }: Reader, v: Float64Array): Float64Array {
  const row = (i: number) => i * outputs
  const times = (c: Float64Array) => {
    const product = new Float64Array(inputs)
    for (let i = 0; i < inputs; i++) {
      let sum = 0
      for (let j = 0; j < outputs; j++) sum += data[row(i) + j]! * c[j]!
      product[i] = sum
    }
    return product
  }
  const transposedTimes = (x: Float64Array) => {
    const product = new Float64Array(outputs)
    for (let i = 0; i < inputs; i++) for (let j = 0; j < outputs; j++) product[j]! += data[row(i) + j]! * x[i]!
    return product
  }
  const seen = new Float64Array(inputs)
  const rest = v.slice()
  let slope = transposedTimes(rest)
  let direction = slope
  let size = dot(slope, slope)
  const first = size
  for (let step = 0; step < MOST_STEPS && size > CONVERGED ** 2 * first && size > 0; step++) {
    const moved = times(direction)
    const factor = size / dot(moved, moved)
    addScaled(seen, moved, factor)
    addScaled(rest, moved, -factor)
    slope = transposedTimes(rest)
    const next = dot(slope, slope)
    const last = direction
    direction = slope.map((x, j) => x + (next / size) * last[j]!)
    size = next
  }
  return seen
}
