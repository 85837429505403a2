import { constant, type Tensor } from '../tensor/index.ts'

/**
 * The vector-Jacobian product of one primitive: from the gradient `g` of `node`, the gradient of each of its inputs,
 * traced, in the inputs' order. It is undefined for an input that has none (indices, conditions). A gradient may still
 * have the result's broadcast shape: the sweep sums it back to the input's. What nobody asks for is dead code, so a rule computes all.
 */
export type VjpRule = (g: Tensor, node: Tensor) => readonly (Tensor | undefined)[]

/** A structural literal of the gradient's dtype. */
export const literal = (value: number, like: Tensor) => constant(value, like.dtype)
