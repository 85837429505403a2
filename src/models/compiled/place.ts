import { permutation, type RandomSource, randomSource } from '../../random/index.ts'
import type { CircuitPlan, HeadPlan, LayerPlan, NeuronPlan } from './circuit.ts'
import {
  beside,
  fill,
  identity,
  type Matrix,
  multiply,
  normal,
  scale,
  stacked,
  transpose,
  withRowsAt,
  zeros,
} from './matrix.ts'
import type { Part } from './parts.ts'

/** A head's weights: [d, e] three times, and [e, d]. */
export interface HeadWeights {
  readonly query: Matrix
  readonly key: Matrix
  readonly value: Matrix
  readonly output: Matrix
}

/** A layer whose heads and neurons have their places. */
export interface PlacedLayer {
  readonly heads: readonly HeadWeights[]
  /** [d, m], [1, m], [m, d] and [1, d]; null in models of attention only. */
  readonly mlp: {
    readonly reads: Matrix
    readonly readBias: Matrix
    readonly writes: Matrix
    readonly writeBias: Matrix
  } | null
}

/** A circuit with its places drawn: heads and neurons in order, tokens by id; still in register coordinates. */
export interface Circuit {
  readonly tokens: readonly string[]
  readonly embedding: Matrix
  readonly positions: Matrix
  readonly layers: readonly PlacedLayer[]
  readonly unembedding: Matrix
  /** With `LN`, coordinate 0 is the direction in which all of x is equal. */
  readonly norm: 'RMS' | 'LN' | null
  readonly headSize: number
}

/** A circuit, and where its parts went. */
export interface PlacedCircuit {
  readonly circuit: Circuit
  /** By role. */
  readonly parts: ReadonlyMap<string, Part>
  /** The id of every token, in the order of the plan. */
  readonly ids: readonly number[]
}

/**
 * How strongly idle heads and neurons write to the register `junk`, which nothing reads. Norms see it all the same: there they
 * are quieter.
 */
const idleStrength = ({ norm }: CircuitPlan) => (norm ? 0.02 : 0.3)

/** Draws the places of heads, neurons and tokens, and fills every layer up with idle heads and neurons. */
export function placeCircuit(plan: CircuitPlan, seed: number): PlacedCircuit {
  const random = randomSource(seed, 'places')
  const { layers } = plan
  const count = (of: (layer: LayerPlan) => object) =>
    Math.max(...layers.map((layer) => Object.keys(of(layer)).length)) + 1 + random.integer(2)
  const heads = count((layer) => layer.heads)
  const hasMlps = layers.some(({ neurons }) => neurons)
  const neurons = hasMlps ? count((layer) => layer.neurons ?? {}) : 0
  const widths = layers.flatMap((layer) => Object.values(layer.heads).map(headWidth))
  const headSize = Math.max(4, ...widths)
  const parts = new Map<string, Part>()
  const placed = layers.map((layer, l): PlacedLayer => {
    const order = permutation(heads, random)
    const given = Object.entries(layer.heads)
    for (const [h, [role]] of given.entries()) parts.set(role, `L${l}H${order[h]!}`)
    const list = new Array<HeadWeights>(heads)
    for (let h = 0; h < heads; h++) {
      const head = given[h]?.[1]
      list[order[h]!] = head ? headWeights(head, plan, headSize) : idleHead(plan, headSize, random)
    }
    const own = { heads: list, mlp: neurons > 0 ? placeNeurons(plan, layer, l, neurons, parts, random) : null }
    return plan.turned && l > plan.turned.after ? turnedLayer(own, plan.turned.by) : own
  })
  const ids = [...permutation(plan.tokens.length, random)]
  const tokens = new Array<string>(ids.length)
  ids.forEach((id, i) => {
    tokens[id] = plan.tokens[i]!
  })
  return {
    circuit: {
      tokens,
      embedding: withRowsAt(plan.embedding, ids),
      positions: plan.positions,
      layers: placed,
      unembedding: multiply(turnedBack(plan), transpose(withRowsAt(transpose(plan.unembedding), ids))),
      norm: plan.norm,
      headSize,
    },
    parts,
    ids,
  }
}

/** Takes x behind the turn to the registers, [d, d]. */
function turnedBack({ turned, registers: { width } }: CircuitPlan): Matrix {
  return turned ? transpose(turned.by) : identity(width)
}

/** A layer that reads and writes a stream turned by a matrix. */
function turnedLayer({ heads, mlp }: PlacedLayer, by: Matrix): PlacedLayer {
  const read = (weight: Matrix) => multiply(transpose(by), weight)
  const write = (weight: Matrix) => multiply(weight, by)
  return {
    heads: heads.map(({ query, key, value, output }) => ({
      query: read(query),
      key: read(key),
      value: read(value),
      output: write(output),
    })),
    mlp: mlp && { ...mlp, reads: read(mlp.reads), writes: write(mlp.writes), writeBias: write(mlp.writeBias) },
  }
}

function headWidth({ scores, moves }: HeadPlan): number {
  const sum = (list: readonly Matrix[]) => list.reduce((total, { columns }) => total + columns, 0)
  return Math.max(sum(scores.map(({ query }) => query)), sum(moves.map(({ from }) => from)))
}

function headWeights({ scores, moves }: HeadPlan, { registers: { width } }: CircuitPlan, size: number): HeadWeights {
  const inward = (matrices: readonly Matrix[]) => beside(matrices, width, size)
  return {
    query: inward(scores.map(({ query }) => query)),
    key: inward(scores.map(({ key }) => key)),
    value: inward(moves.map(({ from }) => from)),
    output: stacked(
      moves.map(({ to }) => to),
      size,
      width,
    ),
  }
}

/** A head with some pattern of its own that moves what it finds to where nobody looks. */
function idleHead(plan: CircuitPlan, size: number, random: RandomSource): HeadWeights {
  const { registers: space, embedding, positions } = plan
  const { width } = space
  const seen = identityOn([embedding, positions], width)
  const draw = () => multiply(seen, scale(1 / Math.sqrt(size), normal(width, size, random)))
  const output = multiply(
    scale(idleStrength(plan) / Math.sqrt(size), normal(size, space.size('junk'), random)),
    space.rows('junk'),
  )
  return { query: draw(), key: draw(), value: draw(), output }
}

/** [d, d]: keeps the coordinates that the embeddings use. */
function identityOn(tables: readonly Matrix[], width: number): Matrix {
  const used = new Array<boolean>(width).fill(false)
  for (const { data } of tables) {
    data.forEach((x, i) => {
      if (x !== 0) used[i % width] = true
    })
  }
  return fill(width, width, (row, column) => (row === column && used[row] ? 1 : 0))
}

function placeNeurons(
  plan: CircuitPlan,
  layer: LayerPlan,
  l: number,
  count: number,
  parts: Map<string, Part>,
  random: RandomSource,
): PlacedLayer['mlp'] {
  const { registers: space, embedding, positions } = plan
  const { width } = space
  const seen = identityOn([embedding, positions], width)
  const order = permutation(count, random)
  // What the layer of the turn itself writes lies behind it.
  const basis = plan.turned?.after === l ? plan.turned.by : identity(width)
  const own = Object.entries(layer.neurons ?? {})
  for (const [n, [role]] of own.entries()) parts.set(role, `L${l}N${order[n]!}`)
  const idle = (): NeuronPlan => ({
    reads: multiply(seen, normal(width, 1, random)),
    bias: random.normal(),
    writes: multiply(
      multiply(scale(idleStrength(plan), normal(1, space.size('junk'), random)), space.rows('junk')),
      basis,
    ),
  })
  const list = Array.from({ length: count }, (_, n) => own[n]?.[1] ?? idle())
  const rows = (of: (neuron: NeuronPlan) => Matrix, columns: number) =>
    withRowsAt(stacked(list.map(of), count, columns), order)
  return {
    reads: transpose(rows(({ reads }) => transpose(reads), width)),
    readBias: transpose(rows(({ bias }) => fill(1, 1, () => bias), 1)),
    writes: rows(({ writes }) => writes, width),
    writeBias: layer.bias ?? zeros(1, width),
  }
}
