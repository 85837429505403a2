import { bytesPerElement, sizeOf, type Tensor, topologicalOrder } from '../tensor/index.ts'

/**
 * An estimate of what a session keeps for intermediate values once it has run, as ONNX Runtime's arena gives nothing back: the most
 * bytes that are alive at once when the graph is computed in its order. Without inputs, and without reshapes, which copy nothing.
 */
export function arenaBytes(outputs: readonly Tensor[]): number {
  const order = topologicalOrder(outputs)
  const lastUse = new Map<Tensor, number>()
  order.forEach((t, i) => {
    for (const input of t.inputs) lastUse.set(input, i)
  })
  for (const output of outputs) lastUse.set(output, order.length)
  const ending = new Map<number, Tensor[]>()
  for (const [t, i] of lastUse) ending.set(i, [...(ending.get(i) ?? []), t])
  let [alive, most] = [0, 0]
  order.forEach((t, i) => {
    alive += bytesOf(t)
    most = Math.max(most, alive)
    for (const ended of ending.get(i) ?? []) alive -= bytesOf(ended)
  })
  return most
}

function bytesOf({ op, shape, dtype }: Tensor): number {
  return op === 'input' || op === 'reshape' ? 0 : sizeOf(shape) * bytesPerElement(dtype)
}
