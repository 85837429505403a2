import { Tensor, topologicalOrder } from '../../tensor/index.ts'

/**
 * Rebuilds the graph under `outputs`, giving each node (inputs already rebuilt) to `change`; undefined keeps the node.
 * `rebuilt` finds what became of any node before it.
 * Returns the new outputs in order. Nodes with no changed input keep their identity.
 */
export function rewrite(
  outputs: readonly Tensor[],
  change: (t: Tensor, inputs: readonly Tensor[], rebuilt: (original: Tensor) => Tensor) => Tensor | undefined,
): Tensor[] {
  const rebuilt = new Map<Tensor, Tensor>()
  for (const t of topologicalOrder(outputs)) {
    const inputs = t.inputs.map((i) => rebuilt.get(i)!)
    const unchanged = inputs.every((input, i) => input === t.inputs[i])
    rebuilt.set(
      t,
      change(t, inputs, (original) => rebuilt.get(original)!) ??
        (unchanged ? t : new Tensor(t.op, inputs, t.attributes, t.value)),
    )
  }
  return outputs.map((output) => rebuilt.get(output)!)
}

/** The graph under `outputs` with some of its tensors replaced by others of the same types: how a traced function is inlined. */
export function substitute(outputs: readonly Tensor[], replacements: ReadonlyMap<Tensor, Tensor>): Tensor[] {
  return rewrite(outputs, (t) => replacements.get(t))
}
