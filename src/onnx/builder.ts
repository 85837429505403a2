import { bytesPerElement, type DType, type Shape, sizeOf, type TypedArray } from '../tensor/index.ts'
import { ProtobufWriter } from './protobuf.ts'

/** What a node's attribute may be in ONNX: a float is written `{ float }`, so that 1 stays an integer. */
export type OnnxAttribute = number | string | readonly number[] | { readonly float: number }

const ELEMENT_TYPE: Record<DType, number> = { float32: 1, int32: 6, int64: 7, bool: 9, float16: 10, float64: 11 }

/** The opset that the lowerings are written against (Gelu came with 20). */
export const OPSET = 20
/** ONNX Runtime's own operators. */
export const CONTRIB = 'com.microsoft'

interface Node {
  readonly opType: string
  readonly domain: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Readonly<Record<string, OnnxAttribute>>
}

/** Collects the nodes, initializers and ports of one ONNX graph and writes it. Every name comes from here, so none collide. */
export class GraphBuilder {
  private readonly nodes: Node[] = []
  private readonly initializers: {
    name: string
    dtype: DType
    shape: Shape
    write: (proto: ProtobufWriter) => void
  }[] = []
  private readonly known = new Map<string, string>()
  private readonly ports: { inputs: Port[]; outputs: Port[] } = { inputs: [], outputs: [] }
  private readonly narrow: boolean

  /** @param narrow writes float64 as float32 throughout, for where ONNX Runtime has no float64. */
  constructor(narrow = false) {
    this.narrow = narrow
  }

  /** The ONNX number of a dtype, as `Cast` takes it. */
  elementType(dtype: DType): number {
    return ELEMENT_TYPE[this.written(dtype)]
  }

  private written(dtype: DType): DType {
    return this.narrow && dtype === 'float64' ? 'float32' : dtype
  }

  /** Adds a node with `count` outputs and returns their names; a node equal to an earlier one is that one. */
  nodeOutputs(
    opType: string,
    inputs: readonly string[],
    attributes: Node['attributes'] = {},
    count = 1,
    domain = '',
  ): string[] {
    const key = JSON.stringify([opType, domain, inputs, attributes, count])
    const base = this.known.get(key) ?? `v${this.nodes.length}`
    const outputs = Array.from({ length: count }, (_, i) => (i === 0 ? base : `${base}_${i}`))
    if (!this.known.has(key)) {
      this.known.set(key, base)
      this.nodes.push({ opType, domain, inputs, outputs, attributes })
    }
    return outputs
  }

  node(opType: string, inputs: readonly string[], attributes: Node['attributes'] = {}, domain = ''): string {
    return this.nodeOutputs(opType, inputs, attributes, 1, domain)[0]!
  }

  /** A small constant held in the model itself; equal constants are shared. */
  initializer(dtype: DType, shape: Shape, data: TypedArray): string {
    const written = this.written(dtype) === dtype ? data : Float32Array.from(data as Float64Array)
    const bytes = new Uint8Array(written.buffer, written.byteOffset, written.byteLength)
    const key = `constant ${dtype} [${shape}] ${bytes.join()}`
    const known = this.known.get(key)
    if (known !== undefined) return known
    const name = `c${this.initializers.length}`
    this.known.set(key, name)
    this.initializers.push({ name, dtype, shape, write: (proto) => proto.raw(9, bytes) })
    return name
  }

  int64s(values: readonly number[]): string {
    return this.initializer('int64', [values.length], BigInt64Array.from(values, BigInt))
  }

  /** A constant whose bytes are found by the session in the file `location`, or handed to it under that name. */
  externalInitializer(name: string, dtype: DType, shape: Shape, location: string, offset = 0): void {
    const entries = {
      location,
      offset: String(offset),
      length: String(sizeOf(shape) * bytesPerElement(this.written(dtype))),
    }
    const write = (proto: ProtobufWriter) => {
      for (const [key, value] of Object.entries(entries)) {
        proto.message(13, (entry) => {
          entry.string(1, key)
          entry.string(2, value)
        })
      }
      proto.int(14, 1) // data_location: EXTERNAL
    }
    this.initializers.push({ name, dtype, shape, write })
  }

  input(name: string, dtype: DType, shape: Shape): void {
    this.ports.inputs.push({ name, dtype, shape })
  }

  output(name: string, dtype: DType, shape: Shape): void {
    this.ports.outputs.push({ name, dtype, shape })
  }

  get nodeCount(): number {
    return this.nodes.length
  }

  /** The serialised ModelProto. */
  model(): Uint8Array {
    const writer = new ProtobufWriter()
    writer.int(1, 9) // ir_version
    writer.string(2, 'diopter')
    writer.message(7, (graph) => this.writeGraph(graph))
    for (const [domain, version] of [
      ['', OPSET],
      [CONTRIB, 1],
    ] as const) {
      writer.message(8, (opset) => {
        opset.string(1, domain)
        opset.int(2, version)
      })
    }
    return writer.bytes()
  }

  private writeGraph(graph: ProtobufWriter): void {
    for (const node of this.nodes) graph.message(1, (proto) => writeNode(proto, node))
    graph.string(2, 'graph')
    for (const { name, dtype, shape, write } of this.initializers) {
      graph.message(5, (proto) => {
        for (const n of shape) proto.int(1, n)
        proto.int(2, this.elementType(dtype))
        proto.string(8, name)
        write(proto)
      })
    }
    for (const port of this.ports.inputs) graph.message(11, (proto) => this.writePort(proto, port))
    for (const port of this.ports.outputs) graph.message(12, (proto) => this.writePort(proto, port))
  }

  private writePort(proto: ProtobufWriter, { name, dtype, shape }: Port): void {
    proto.string(1, name)
    proto.message(2, (type) => {
      type.message(1, (tensorType) => {
        tensorType.int(1, this.elementType(dtype))
        tensorType.message(2, (proto) => {
          for (const n of shape) proto.message(1, (dimension) => dimension.int(1, n))
        })
      })
    })
  }
}

interface Port {
  readonly name: string
  readonly dtype: DType
  readonly shape: Shape
}

function writeNode(proto: ProtobufWriter, node: Node): void {
  for (const name of node.inputs) proto.string(1, name)
  for (const name of node.outputs) proto.string(2, name)
  proto.string(4, node.opType)
  for (const [name, value] of Object.entries(node.attributes))
    proto.message(5, (attribute) => writeAttribute(attribute, name, value))
  if (node.domain !== '') proto.string(7, node.domain)
}

function writeAttribute(proto: ProtobufWriter, name: string, value: OnnxAttribute): void {
  proto.string(1, name)
  if (typeof value === 'number') {
    proto.int(3, value)
    proto.int(20, 2) // INT
  } else if (typeof value === 'string') {
    proto.string(4, value)
    proto.int(20, 3) // STRING
  } else if ('float' in value) {
    proto.float(2, value.float)
    proto.int(20, 1) // FLOAT
  } else {
    for (const n of value) proto.int(8, n)
    proto.int(20, 7) // INTS
  }
}
