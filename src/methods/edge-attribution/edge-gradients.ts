import { gradients } from '../../autodiff/index.ts'
import { type Activation, type ArrayValue, type EditFunction, type Model, ofPrompt } from '../../lab/index.ts'
import { norm } from '../../models/parts/norm.ts'
import { concat, einsum, sizeOf, type Tensor, tensor } from '../../tensor/index.ts'
import { type Direction, type PreparedPair, type Route, routeOf, sourceValues } from '../patching/prompt-pair.ts'
import type { MethodOptions } from '../shared/options.ts'
import { withTracedEdits } from '../shared/own-edits.ts'
import type { Meter } from '../shared/result.ts'
import { allReceivers, allSenders, reaches, senderHooks } from './edge-parts.ts'
import { allReadings, isNormed, plainForward, type Reading } from './edge-readings.ts'

/** First-order effects of all edges of one pair. */
export interface EdgeScores {
  readonly route: Route
  /** Estimated changes of the metric, all senders by all receivers in row-major order; null where the sender does not reach the receiver. */
  readonly scores: readonly (number | null)[]
  readonly sourceMetric: number
  readonly targetMetric: number
}

/**
 * Scores every edge by (what the sender holds in the source run - in the target run) times the gradient of the metric by what the
 * receiver reads: at the target run for one step, or averaged over `steps` runs between both (trapezoidal rule) whose token
 * embeddings are mixed. One forward pass of the source and one batch, forward and backward, of the target.
 */
export async function edgeScores(
  model: Model,
  pair: PreparedPair,
  direction: Direction,
  {
    steps,
    positions: asked,
    edits = [],
    signal,
  }: MethodOptions & { steps: number; positions?: readonly number[] | undefined },
  meter: Meter,
): Promise<EdgeScores> {
  const route = routeOf(pair, direction)
  const { source, target, sourceOf } = route
  const { metric } = pair.asked
  const held = senderHooks(model.config)
  const from = await meter.run([source.ids], { capture: held, metric, edits, signal })
  const sourceHeld = new Map(held.map((hook) => [hook, sourceValues(from.captures[hook]!, route)]))
  const readings = allReadings(model)
  const mixed = new Map<string, EditFunction>(
    steps > 1 ? [['hook_embed', mixture(sourceHeld.get('hook_embed')!, route, steps)]] : [],
  )
  const into = await model.run(
    Array.from({ length: steps }, () => target.ids),
    {
      capture: [...held, ...readings.map(({ stream }) => stream)],
      grad: [...new Set(readings.flatMap(({ parts }) => parts.map(({ hook }) => hook)))],
      metric,
      edits: withTracedEdits(model, edits, mixed),
      signal,
    },
  )
  meter.addVariants(steps, edits)
  const scores = new Float64Array(allSenders(model.config).length * allReceivers(model.config).length)
  const positions = (asked ?? sourceOf.map((_, p) => p)).filter((p) => sourceOf[p] !== null)
  // Everything from here on is position by position, so long prompts are done in parts.
  const perPart = Math.max(1, Math.floor(BYTES / (4 * allSenders(model.config).length * model.config.d_model)))
  for (let at = 0; at < positions.length; at += perPart) {
    const chosen = positions.slice(at, at + perPart)
    const differences = traceDifferences(model, {
      source: (hook) => rowsAt(sourceHeld.get(hook)!, chosen),
      target: (hook) => rowsAt(ofPrompt(into.captures[hook]!, 0), chosen),
    })
    const pulled = concat(
      readings.map((reading) =>
        tracePulledBack(model, reading, steps, {
          stream: tensorAt(into.captures[reading.stream]!, chosen),
          gradient: (hook) => tensorAt(into.gradients[hook] as Activation, chosen),
        }),
      ),
      1,
    )
    const product = einsum('spd,prd->sr', differences, pulled)
    const [result] = await model.engine.evaluate([product], {}, { weights: model.weights.stored, signal })
    result!.data.forEach((x, i) => {
      scores[i]! += Number(x)
    })
  }
  const [senders, receivers] = [allSenders(model.config), allReceivers(model.config)]
  return {
    route,
    scores: senders.flatMap((sender, s) =>
      receivers.map((receiver, r) => (reaches(sender, receiver) ? scores[s * receivers.length + r]! : null)),
    ),
    sourceMetric: from.metric![0]!,
    targetMetric: into.metric![0]!,
  }
}

/** Memory for what senders write at the positions that are done together. */
const BYTES = 256 * 1024 ** 2

/** Mixes the source's embeddings into the rows: none into the first, all into the last. */
function mixture({ data, shape }: ArrayValue, { sourceOf }: Route, steps: number): EditFunction {
  const shares = Float32Array.from({ length: steps }, (_, i) => i / (steps - 1))
  const corresponds = Uint8Array.from(sourceOf, (from) => (from === null ? 0 : 1))
  return (x) => {
    const difference = tensor(data as Float32Array, [1, ...shape]).sub(x)
    const moved = x.add(tensor(shares, [steps, 1, 1]).mul(difference))
    return tensor(corresponds, [1, sourceOf.length, 1], 'bool').where(moved, x)
  }
}

/** What every sender writes in the source run less what it writes in the target run: [senders, p, d]. */
function traceDifferences(
  model: Model,
  held: { readonly source: (hook: string) => Tensor; readonly target: (hook: string) => Tensor },
): Tensor {
  const { config, weights } = model
  const forward = plainForward(model)
  const change = (hook: string) => held.source(hook).sub(held.target(hook))
  const layers = Array.from({ length: config.n_layers }, (_, l) => {
    const z = `blocks.${l}.attn.hook_z`
    const output = weights.tensor(`blocks.${l}.attn.W_O`)
    const written = einsum('phe,hed->hpd', change(z), output)
    const mlp = config.attn_only ? [] : [change(`blocks.${l}.hook_mlp_out`).unsqueeze(0)]
    if (!config.post_norms) return [written, ...mlp]
    // What a head adds behind a norm of the sum of heads, with the other heads as they are.
    const bias = `blocks.${l}.attn.b_O`
    const product = einsum('phe,hed->pd', held.target(z), output)
    const sum = (weights.has(bias) ? product.add(weights.tensor(bias)) : product).unsqueeze(0)
    const behind = (x: Tensor) => norm(forward, `blocks.${l}.ln1_post`, x)
    return [behind(sum.add(written)).sub(behind(sum)), ...mlp]
  })
  return concat([change('hook_embed').unsqueeze(0), ...layers.flat()], 0)
}

/** The metric's gradient by the stream as each receiver of a reading sees it, averaged over the steps: [p, receivers, d]. */
function tracePulledBack(
  model: Model,
  { norm: name, parts }: Reading,
  steps: number,
  { stream, gradient }: { readonly stream: Tensor; readonly gradient: (hook: string) => Tensor },
): Tensor {
  const { config, weights } = model
  // [k, p, r, d], with one receiver but for heads
  const slopes = parts.map(({ hook, weight }) => {
    const slope = gradient(hook)
    if (weight === null) return slope.unsqueeze(2)
    if (slope.rank === 4) return einsum('kphe,hde->kphd', slope, weights.tensor(weight))
    return einsum('kpm,dm->kpd', slope, weights.tensor(weight)).unsqueeze(2)
  })
  const sum = slopes.reduce((a, b) => a.add(b))
  const copies = stream
    .unsqueeze(2)
    .broadcast(...sum.shape)
    .pin()
  const seen = isNormed(config, name) ? gradients([norm(plainForward(model), name, copies)], [copies], [sum])[0]! : sum
  // The run's gradients are those of the mean over its rows: 1/k of each row's own.
  const shares = trapezoid(steps).map((share) => share * steps)
  return seen.mul(tensor(shares, [steps, 1, 1, 1])).sum(0)
}

/** Weights of a mean over equally spaced points, both ends included. */
function trapezoid(points: number): number[] {
  if (points === 1) return [1]
  return Array.from({ length: points }, (_, i) => (i === 0 || i === points - 1 ? 0.5 : 1) / (points - 1))
}

/** Some positions of a prompt's activation [P, ...] as a tensor. */
function rowsAt({ shape, data }: ArrayValue, positions: readonly number[]): Tensor {
  const size = sizeOf(shape.slice(1))
  const chosen = new Float32Array(positions.length * size)
  positions.forEach((p, i) => {
    chosen.set(data.subarray(p * size, (p + 1) * size) as Float32Array, i * size)
  })
  return tensor(chosen, [positions.length, ...shape.slice(1)])
}

/** Some positions of a batch's activation: [k, p, ...]. */
function tensorAt(activation: Activation, positions: readonly number[]): Tensor {
  const rows = activation.lengths.map((_, row) => rowsAt(ofPrompt(activation, row), positions).unsqueeze(0))
  return concat(rows, 0)
}
