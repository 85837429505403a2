import { concat, type Tensor } from '../tensor/index.ts'

/**
 * `values`, to be had only when all of `done` are computed: each is combined with a zero that is read from these.
 * A graph says nothing about order, and ONNX Runtime would run the forward passes of all micro-batches before their
 * backward passes: together they would need the memory of the whole batch.
 */
export function after<T extends Readonly<Record<string, Tensor>>>(done: readonly Tensor[], values: T): T {
  const firsts = concat(
    done.map((t) => t.reshape(t.size).slice(0, 0, 1)),
    0,
  )
  // The place of the largest along an axis of size 1 is 0, also where the value is no number.
  const zero = firsts.reshape(1, done.length).argmax(0).sum()
  return Object.fromEntries(Object.entries(values).map(([name, t]) => [name, unchanged(t, zero)])) as T
}

/** t, combined with zero in the way that keeps every value, -0 included. */
function unchanged(t: Tensor, zero: Tensor): Tensor {
  return t.dtype === 'bool' ? t.or(zero.cast('bool')) : t.sub(zero.cast(t.dtype))
}
