import { DiopterError } from '../../errors/index.ts'
import { add, fill, type Matrix, multiply } from './matrix.ts'
import { type Edge, edgeName, type Part, parsePart, type Via } from './parts.ts'
import type { Circuit, HeadWeights } from './place.ts'

/** What is changed in a reference run. Every matrix has one row per position. */
export interface Interventions {
  /** What parts hold: a head's mixed values z [P, e], an MLP's output [P, d], a neuron's activation [P, 1]. */
  readonly set?: ReadonlyMap<Part, Matrix>
  /** What single receivers see of a sender, in place of what it holds (`embed`: [P, d]). */
  readonly edges?: readonly { readonly edge: Edge; readonly value: Matrix }[]
}

/** What a reference run gives. */
export interface ReferenceRun {
  /** What every part holds, as in `Interventions`. */
  readonly held: ReadonlyMap<Part | 'embed', Matrix>
  /** Logits of the last position, by token id. */
  readonly logits: Float64Array
}

/** The epsilon of compiled models' norms, as config.json says it. */
export const NORM_EPSILON = 1e-5

/**
 * Runs a circuit in doubles and register coordinates, without the engine, the model's trace or its basis: the truth that
 * methods are held against. Interventions mean what they mean in the opened model. Throws for parts and edges that there are not.
 */
export function referenceRun(
  circuit: Circuit,
  ids: readonly number[],
  { set = new Map(), edges = [] }: Interventions = {},
): ReferenceRun {
  const held = new Map<Part | 'embed', Matrix>()
  const written = new Map<Part | 'embed', Matrix>()
  const unused = new Set<string>([...set.keys(), ...edges.map(({ edge }) => edgeName(edge))])
  const take = (part: Part, own: () => Matrix): Matrix => {
    const given = set.get(part)
    unused.delete(part)
    const value = given ?? own()
    held.set(part, value)
    return value
  }
  /** The residual stream as a receiver sees it, after the norm; most see the same. */
  const seenBy = (resid: Matrix, normed: Matrix, to: Edge['to'], via: Via): Matrix => {
    let x = resid
    for (const { edge, value } of edges) {
      if (edge.to !== to || edge.via !== via || !written.has(edge.from)) continue
      unused.delete(edgeName(edge))
      x = add(add(x, written.get(edge.from)!, -1), writtenBy(circuit, edge.from, value))
    }
    return x === resid ? normed : normalized(x, circuit.norm)
  }

  const width = circuit.embedding.columns
  const start = embedded(circuit, ids)
  held.set('embed', start)
  written.set('embed', start)
  let resid = start
  circuit.layers.forEach(({ heads, mlp }, l) => {
    const before = resid
    const normed = normalized(before, circuit.norm)
    heads.forEach((head, h) => {
      const part: Part = `L${l}H${h}`
      const z = take(part, () => mixed(head, (via) => seenBy(before, normed, part, via)))
      written.set(part, multiply(z, head.output))
      resid = add(resid, written.get(part)!)
    })
    if (!mlp) return
    const part: Part = `L${l}MLP`
    const out = take(part, () => {
      const active = relu(
        addRow(multiply(seenBy(resid, normalized(resid, circuit.norm), part, 'in'), mlp.reads), mlp.readBias),
      )
      for (let n = 0; n < active.columns; n++) {
        const neuron = take(`L${l}N${n}`, () => fill(ids.length, 1, (p) => active.data[p * active.columns + n]!))
        for (let p = 0; p < ids.length; p++) active.data[p * active.columns + n] = neuron.data[p]!
      }
      return addRow(multiply(active, mlp.writes), mlp.writeBias)
    })
    written.set(part, out)
    resid = add(resid, out)
  })
  const last = seenBy(resid, normalized(resid, circuit.norm), 'logits', 'in').data.subarray((ids.length - 1) * width)
  const { data: logits } = multiply({ rows: 1, columns: width, data: last }, circuit.unembedding)
  if (unused.size > 0)
    throw new DiopterError(`The circuit has no ${[...unused].join(', ')}, or nothing there that could be changed.`)
  return { held, logits }
}

function embedded({ embedding, positions }: Circuit, ids: readonly number[]): Matrix {
  const width = embedding.columns
  return fill(ids.length, width, (p, i) => embedding.data[ids[p]! * width + i]! + positions.data[p * width + i]!)
}

/** What a sender adds to the residual stream when it holds `value`. */
function writtenBy({ layers }: Circuit, from: Edge['from'], value: Matrix): Matrix {
  if (from === 'embed') return value
  const { layer, kind, index } = parsePart(from)
  if (kind === 'head') return multiply(value, layers[layer]!.heads[index]!.output)
  return value
}

/** A head's mixed values z [P, e]: causal attention, scores not divided by anything. */
function mixed(head: HeadWeights, see: (via: Via) => Matrix): Matrix {
  const q = multiply(see('q'), head.query)
  const k = multiply(see('k'), head.key)
  const v = multiply(see('v'), head.value)
  const size = q.columns
  const z = fill(q.rows, size, () => 0)
  for (let query = 0; query < q.rows; query++) {
    const scores = Float64Array.from({ length: query + 1 }, (_, key) => {
      let score = 0
      for (let i = 0; i < size; i++) score += q.data[query * size + i]! * k.data[key * size + i]!
      return score
    })
    const most = Math.max(...scores)
    const weights = scores.map((score) => Math.exp(score - most))
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    weights.forEach((weight, key) => {
      for (let i = 0; i < size; i++) z.data[query * size + i]! += (weight / total) * v.data[key * size + i]!
    })
  }
  return z
}

function normalized(x: Matrix, norm: Circuit['norm']): Matrix {
  if (norm === null) return x
  const { columns } = x
  const data = x.data.slice()
  for (let p = 0; p < x.rows; p++) {
    const row = data.subarray(p * columns, (p + 1) * columns)
    if (norm === 'LN') row[0] = 0
    const square = row.reduce((sum, value) => sum + value * value, 0)
    const divisor = Math.sqrt(square / columns + NORM_EPSILON)
    row.forEach((value, i) => {
      row[i] = value / divisor
    })
  }
  return { ...x, data }
}

const relu = (x: Matrix): Matrix => ({ ...x, data: x.data.map((value) => Math.max(0, value)) })

function addRow(x: Matrix, row: Matrix): Matrix {
  return { ...x, data: x.data.map((value, i) => value + row.data[i % x.columns]!) }
}
