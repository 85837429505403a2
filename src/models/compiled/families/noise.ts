import type { RandomSource } from '../../../random/index.ts'
import type { HeadPlan } from '../circuit.ts'
import { add, frobenius, type Matrix, multiply, normal, orthogonal, scale, transpose } from '../matrix.ts'
import type { Registers } from '../registers.ts'
import { range } from './prompt.ts'

/** The rank of the noise, which is also the number of dead directions: nothing ever writes to them. */
export const NOISE_RANK = 12

/** Of a head's norms, what its own circuits hold under noise in sound neighbours: composition scores show it. */
export const VISIBLE_SHARE = 0.8

/**
 * Weights that never do anything, so that a head's circuits look full: its values and queries read the dead directions, and
 * its outputs and keys go everywhere but to `kept` registers. OV noise has the Frobenius norm `ov`, QK noise `qk`.
 */
export function withNoise(
  head: HeadPlan,
  space: Registers,
  kept: readonly string[],
  { ov, qk }: { readonly ov: number; readonly qk: number },
  random: RandomSource,
): HeadPlan {
  const everywhere = () =>
    kept.reduce((rows, name) => without(rows, space, name), normal(NOISE_RANK, space.width, random))
  const [outward, inward] = [everywhere(), everywhere()]
  // The dead directions, turned and scaled so that the product with `other` has the norm asked for.
  const dead = (other: Matrix, norm: number) =>
    scale(norm / frobenius(other), multiply(space.select('dead'), orthogonal(NOISE_RANK, random)))
  return {
    scores: [...head.scores, { query: dead(inward, qk), key: transpose(inward) }],
    moves: [...head.moves, { from: dead(outward, ov), to: outward }],
  }
}

/** Rows without their components along a register. */
function without(rows: Matrix, space: Registers, name: string): Matrix {
  return add(rows, multiply(multiply(rows, space.select(name)), space.rows(name)), -1)
}

/** A head whose own circuits hold `share` of their Frobenius norms, and noise the rest. */
export function underNoise(
  head: HeadPlan,
  share: number,
  space: Registers,
  kept: readonly string[],
  random: RandomSource,
): HeadPlan {
  const { ov, qk } = circuitNorms(head)
  const noise = Math.sqrt(1 - share * share) / share
  return withNoise(head, space, kept, { ov: noise * ov, qk: noise * qk }, random)
}

/** Heads of a layer that are nothing but noise, of norm 1, by role. */
export function noiseHeads(
  layer: number,
  count: number,
  space: Registers,
  kept: readonly string[],
  random: RandomSource,
): Record<string, HeadPlan> {
  const nothing: HeadPlan = { scores: [], moves: [] }
  return Object.fromEntries(
    range(1, count).map((i) => [`noise ${layer}.${i}`, withNoise(nothing, space, kept, { ov: 1, qk: 1 }, random)]),
  )
}

/** The Frobenius norms of a head's OV and QK without noise. */
export function circuitNorms({ scores, moves }: HeadPlan): { readonly ov: number; readonly qk: number } {
  const norm = (products: readonly Matrix[]) => frobenius(products.reduce((sum, product) => add(sum, product)))
  return {
    ov: norm(moves.map(({ from, to }) => multiply(from, to))),
    qk: norm(scores.map(({ query, key }) => multiply(query, transpose(key)))),
  }
}
