import { formatShape } from './shape.ts'
import type { Tensor } from './tensor.ts'

/** All tensors that `outputs` depend on, inputs before users, each once. */
export function topologicalOrder(outputs: readonly Tensor[]): Tensor[] {
  const order: Tensor[] = []
  const seen = new Set<Tensor>()
  // An explicit stack: deep graphs (many layers, many decoding steps) would overflow the call stack.
  const stack: { tensor: Tensor; next: number }[] = []
  for (const output of outputs) {
    if (seen.has(output)) continue
    seen.add(output)
    stack.push({ tensor: output, next: 0 })
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!
      const child = top.tensor.inputs[top.next++]
      if (child === undefined) {
        order.push(top.tensor)
        stack.pop()
      } else if (!seen.has(child)) {
        seen.add(child)
        stack.push({ tensor: child, next: 0 })
      }
    }
  }
  return order
}

/** How many nodes (and graph outputs) use each tensor. */
export function countUses(order: readonly Tensor[], outputs: readonly Tensor[]): Map<Tensor, number> {
  const uses = new Map<Tensor, number>()
  const use = (t: Tensor) => uses.set(t, (uses.get(t) ?? 0) + 1)
  for (const t of order) t.inputs.forEach(use)
  outputs.forEach(use)
  return uses
}

/** One line per node, numbered in order of first use: what snapshots and people read. */
export function printGraph(outputs: Readonly<Record<string, Tensor>>): string {
  const order = topologicalOrder(Object.values(outputs))
  const names = new Map(order.map((t, i) => [t, `%${i}`]))
  const lines = order.map((t) => {
    const attributes = Object.entries(t.attributes)
      .filter(([key]) => !(t.op === 'input' && (key === 'shape' || key === 'dtype')))
      .map(([key, value]) => ` ${key}=${Array.isArray(value) ? `[${value}]` : value}`)
      .join('')
    const operands = t.inputs.map((i) => ` ${names.get(i)}`).join('')
    return `${names.get(t)} = ${t.op}${operands}${attributes} : ${t.dtype}${formatShape(t.shape)}`
  })
  const results = Object.entries(outputs).map(([name, t]) => `return ${name} = ${names.get(t)}`)
  return [...lines, ...results].join('\n')
}
