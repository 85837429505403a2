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

export interface EmitOptions {
  /** Which input nodes become initializers of the session; all others are fed at every run. */
  readonly isResident?: (input: Tensor) => boolean
  /** Where a resident input's bytes lie, when a file has them. */
  readonly place?: (input: Tensor) => { readonly location: string; readonly offset: number } | undefined
  /** Feeds resident tables to the nodes that only look rows up: these gain nothing from a copy of their own. */
  readonly feedTables?: boolean
  /** False emits every node as it was traced. */
  readonly fuse?: boolean
  /** Leaves out what is arranged for the kernels of the CPU. */
  readonly gpu?: boolean
  /** Writes float64 as float32, for where ONNX Runtime has no float64. */
  readonly narrow?: boolean
}

/** Writes the graph under `outputs` as ONNX bytes. */
export function emit(
  outputs: readonly Tensor[],
  {
    isResident = () => false,
    place = () => undefined,
    feedTables = false,
    fuse = true,
    gpu = false,
    narrow = false,
  }: EmitOptions = {},
): EmittedModel {
  const traced = topologicalOrder(outputs)
  const plan = fuse ? planFusion(traced, countUses(traced, outputs), isResident, gpu) : new Map<Tensor, Fused>()
  const builder = new GraphBuilder(narrow)
  const names = new Map<Tensor, string>()
  const feeds: { name: string; tensor: Tensor }[] = []
  const residents: { name: string; tensor: Tensor }[] = []
  const feed = (t: Tensor): string => {
    const known = feeds.find(({ tensor }) => tensor === t)
    if (known) return known.name
    const name = `i${feeds.length}`
    builder.input(name, t.dtype, t.shape)
    feeds.push({ name, tensor: t })
    return name
  }
  const makeResident = (t: Tensor): string => {
    const name = `w${residents.length}`
    const { location, offset } = place(t) ?? { location: name, offset: 0 }
    builder.externalInitializer(name, t.dtype, t.shape, location, offset)
    residents.push({ name, tensor: t })
    return name
  }
  const nameOf = (t: Tensor): string => {
    const name = names.get(t) ?? (isResident(t) ? makeResident(t) : feed(t))
    names.set(t, name)
    return name
  }
  for (const t of emissionOrder(outputs, plan)) {
    if (t.op === 'input') continue // a port or an initializer is made where it is first used
    const fused = plan.get(t)
    const isTable = (input: Tensor, i: number) => feedTables && t.op === 'gather' && i === 0 && input.op === 'input'
    const inputs = (fused?.inputs ?? t.inputs).map((input, i) => (isTable(input, i) ? feed(input) : nameOf(input)))
    names.set(
      t,
      fused ? fused.emit(builder, inputs, t) : lowerings[t.op as Exclude<typeof t.op, 'input'>](builder, inputs, t),
    )
  }
  const declared = new Set<string>()
  const outputPorts = outputs.map((t) => {
    // A node's result (v..) is an output under its own name; an input or a constant needs a node that passes it on.
    const value = nameOf(t)
    const port = value.startsWith('v') ? value : builder.node('Identity', [value])
    if (!declared.has(port)) builder.output(port, t.dtype, t.shape)
    declared.add(port)
    return port
  })
  return { bytes: builder.model(), feeds, residents, outputs: outputPorts, nodeCount: builder.nodeCount }
}
