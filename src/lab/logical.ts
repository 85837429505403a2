import type { TensorValue } from '../engine/index.ts'
import { sizeOf } from '../tensor/index.ts'
import type { Activation } from './arrays.ts'
import { isAttentionHook, isHeadHook } from './hook-names.ts'
import type { BatchLayout } from './layouts/batch.ts'

/** Names of a hook's axes, batch first. */
export function hookAxes(hook: string, rank: number): string[] {
  if (isAttentionHook(hook)) return ['batch', 'head', 'query', 'key']
  if (isHeadHook(hook)) return ['batch', 'position', 'head', 'feature']
  return ['batch', 'position', hook === 'logits' ? 'vocabulary' : 'feature'].slice(0, rank)
}

/** What came out of a run, without padding and in the order of the prompts. */
export function logicalActivation(hook: string, value: TensorValue, layout: BatchLayout): Activation {
  const { order } = layout
  const lengths = new Array<number>(layout.batch)
  for (const { prompts, length } of layout.groups) for (const prompt of prompts) lengths[prompt] = length
  const activation = {
    name: hook,
    axes: hookAxes(hook, value.shape.length),
    shape: value.shape,
    dtype: value.dtype,
    lengths,
  }
  if (!layout.padded && order.every((prompt, row) => prompt === row)) return { ...activation, data: value.data }
  const size = sizeOf(value.shape.slice(1))
  const data = new Float32Array(value.data.length).fill(Number.NaN)
  order.forEach((prompt, row) => {
    const from = (value.data as Float32Array).subarray(row * size, (row + 1) * size)
    const to = data.subarray(prompt * size, (prompt + 1) * size)
    const padding = layout.length - lengths[prompt]!
    if (isAttentionHook(hook)) unpadAttention(from, to, layout.length, padding)
    else to.set(from.subarray((padding * size) / layout.length))
  })
  return { ...activation, data }
}

/** [H, P, P] with `padding` leading queries and keys, to the same with the real ones leading. */
function unpadAttention(from: Float32Array, to: Float32Array, length: number, padding: number): void {
  const heads = from.length / (length * length)
  const real = length - padding
  for (let head = 0; head < heads; head++) {
    for (let query = 0; query < real; query++) {
      const source = (head * length + query + padding) * length + padding
      to.set(from.subarray(source, source + real), (head * length + query) * length)
    }
  }
}
