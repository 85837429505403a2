import { countUses, type Tensor, topologicalOrder } from '../tensor/index.ts'
import { GraphBuilder } from './builder.ts'
import { type Fused, planFusion } from './fusion.ts'
import { lowerings } from './lowerings.ts'

/** An ONNX model and how its ports correspond to the traced tensors. */
export interface EmittedModel {
  readonly bytes: Uint8Array
  /** The input nodes that are fed at every run, with their port names. */
  readonly feeds: readonly { readonly name: string; readonly tensor: Tensor }[]
  /** The input nodes that are initializers of the session; the port name is also the external file's name. */
  readonly residents: readonly { readonly name: string; readonly tensor: Tensor }[]
  /** One port name per requested output; equal tensors share a port. */
  readonly outputs: readonly string[]
  readonly nodeCount: number
}

/** The nodes that must be emitted for `outputs`, inputs first, looking through fused operators. */
function emissionOrder(outputs: readonly Tensor[], plan: ReadonlyMap<Tensor, Fused>): Tensor[] {
  const order: Tensor[] = []
  const state = new Set<Tensor>()
  const stack = outputs.toReversed().map((tensor) => ({ tensor, ready: false }))
  while (stack.length > 0) {
    const { tensor, ready } = stack.pop()!
    if (ready) {
      order.push(tensor)
      continue
    }
    if (state.has(tensor)) continue
    state.add(tensor)
    stack.push({ tensor, ready: true })
    const inputs = plan.get(tensor)?.inputs ?? tensor.inputs
    for (const input of inputs.toReversed()) if (!state.has(input)) stack.push({ tensor: input, ready: false })
  }
  return order
}

/**
 * Writes the graph under `outputs` as ONNX bytes. `isResident` says which input nodes become initializers of the session;
 * all others are fed at every run. `fuse` false emits every node as it was traced.
 */
export function emit(
  outputs: readonly Tensor[],
  options: { isResident?: (input: Tensor) => boolean; fuse?: boolean } = {},
): EmittedModel {
  const { isResident = () => false, fuse = true } = options
  const traced = topologicalOrder(outputs)
  const plan = fuse ? planFusion(traced, countUses(traced, outputs)) : new Map<Tensor, Fused>()
  const builder = new GraphBuilder()
  const names = new Map<Tensor, string>()
  const feeds: { name: string; tensor: Tensor }[] = []
  const residents: { name: string; tensor: Tensor }[] = []
  for (const t of emissionOrder(outputs, plan)) {
    if (t.op === 'input') {
      const resident = isResident(t)
      const name = resident ? `w${residents.length}` : `i${feeds.length}`
      if (resident) builder.externalInitializer(name, t.dtype, t.shape, name)
      else builder.input(name, t.dtype, t.shape)
      ;(resident ? residents : feeds).push({ name, tensor: t })
      names.set(t, name)
      continue
    }
    const fused = plan.get(t)
    const inputs = (fused?.inputs ?? t.inputs).map((i) => names.get(i)!)
    names.set(t, fused ? fused.emit(builder, inputs, t) : lowerings[t.op](builder, inputs, t))
  }
  const sources = new Set([...feeds, ...residents].map(({ name }) => name))
  const declared = new Set<string>()
  const outputPorts = outputs.map((t) => {
    // A node's result is an output under its own name; an input or a constant needs a node that passes it on.
    const value = names.get(t)!
    const port = sources.has(value) || builder.isInitializer(value) ? builder.node('Identity', [value]) : value
    if (!declared.has(port)) builder.output(port, t.dtype, t.shape)
    declared.add(port)
    return port
  })
  return { bytes: builder.model(), feeds, residents, outputs: outputPorts, nodeCount: builder.nodeCount }
}
