import type { ArrayValue, Model } from '../../lab/index.ts'
import { norm } from '../../models/parts/norm.ts'
import { after } from '../../optim/after.ts'
import { concat, constant, einsum, full, type Tensor, tensor } from '../../tensor/index.ts'
import { allReceivers, allSenders, reaches } from './edge-parts.ts'
import { allReadings, isNormed, plainForward, type Reading } from './edge-readings.ts'

/** What edges are scored from, by hook: of the source and of the target [P, ...], of the runs whose gradients are taken [k, P, ...]. */
export interface TracedRuns {
  readonly source: (hook: string) => Tensor
  readonly target: (hook: string) => Tensor
  readonly activation: (hook: string) => Tensor
  readonly gradient: (hook: string) => Tensor
}

/** Hooks of which scores need the activation (beside what senders write), and those of which they need the gradient. */
export function scoredHooks(model: Model): { readonly reads: string[]; readonly differentiates: string[] } {
  const readings = allReadings(model)
  const normed = readings.filter(({ norm: name }) => isNormed(model.config, name))
  return {
    reads: [...new Set(normed.flatMap(({ norm: name }) => [`${name}.hook_scale`, `${name}.hook_normalized`]))],
    differentiates: [...new Set(readings.flatMap(({ parts }) => parts.map(({ hook }) => hook)))],
  }
}

/** Memory for what senders write and receivers see at the positions that are done together. */
const BYTES = 256 * 1024 ** 2
/** Layers whose receivers are multiplied at once with all senders before the last of them: of more, more would not reach; of fewer, more is copied. */
const LAYERS_TOGETHER = 4

/**
 * Traces the scores of all edges, sums over `positions`: of each few layers [s, r], the first s senders by the receivers of
 * those layers. `shares` [k] weigh the gradients.
 */
export function traceScores(
  model: Model,
  runs: TracedRuns,
  positions: readonly number[],
  shares: readonly number[],
): Tensor[] {
  const { config } = model
  const perPosition = 4 * config.d_model * (allSenders(config).length + allReceivers(config).length)
  const perPart = Math.max(1, Math.floor(BYTES / perPosition))
  const start = Math.min(...positions)
  // Everything is position by position, so long prompts are done in parts, one after another.
  let scores: Tensor[] = []
  for (let from = 0; from < positions.length; from += perPart) {
    const list = positions.slice(from, from + perPart).map((p) => p - start)
    const chosen = { positions: tensor(list, [list.length], 'int64') }
    const part = from === 0 ? chosen : after(scores, chosen)
    // A slice first: what no slice of a gradient needs is never computed.
    const at = (read: (hook: string) => Tensor, axis: number) => (hook: string) => {
      const behind = read(hook).slice(axis, start)
      return list.length === behind.shape[axis] ? behind : behind.gather(part.positions, axis)
    }
    const own: TracedRuns = {
      source: at(runs.source, 0),
      target: at(runs.target, 0),
      activation: at(runs.activation, 1),
      gradient: at(runs.gradient, 1),
    }
    const before = scores
    scores = tracePart(model, own, shares).map((x, i) => (from === 0 ? x : x.add(before[i]!)))
  }
  return scores
}

/** What `traceScores` traced, as one matrix of all senders by all receivers in row-major order; null where the sender does not reach the receiver. */
export function assembleScores({ config }: Model, parts: readonly ArrayValue[]): (number | null)[] {
  const [senders, receivers] = [allSenders(config), allReceivers(config)]
  const scores: (number | null)[] = senders.flatMap((sender) =>
    receivers.map((receiver) => (reaches(sender, receiver) ? 0 : null)),
  )
  let first = 0
  for (const { shape, data } of parts) {
    const [rows, columns] = shape as [number, number]
    for (let s = 0; s < rows; s++) {
      for (let r = 0; r < columns; r++) {
        const cell = s * receivers.length + first + r
        if (scores[cell] !== null) scores[cell] = Number(data[s * columns + r])
      }
    }
    first += columns
  }
  return scores
}

/** The scores of some positions. */
function tracePart(model: Model, runs: TracedRuns, shares: readonly number[]): Tensor[] {
  const layers = model.config.n_layers
  const sent = Array.from({ length: layers }, (_, layer) => traceDifferences(model, runs, layer))
  const embedded = runs.source('hook_embed').sub(runs.target('hook_embed')).unsqueeze(0)
  const readings = allReadings(model)
  const norms = [...new Set(readings.map(({ norm: name }) => name))]
  const seen = norms.map((name) => {
    const behind = readings.filter((reading) => reading.norm === name)
    return { layer: behind[0]!.layer, slopes: tracePulledBack(model, behind, runs, shares) }
  })
  return Array.from({ length: Math.ceil(layers / LAYERS_TOGETHER) }, (_, i) => {
    const from = i * LAYERS_TOGETHER
    const to = Math.min(layers, from + LAYERS_TOGETHER)
    // The logits read behind the last layer.
    const here = seen.filter(({ layer }) => layer >= from && (layer < to || to === layers))
    const senders = concat([embedded, ...sent.slice(0, to).flat()], 0)
    const receivers = concat(
      here.map(({ slopes }) => slopes),
      0,
    )
    return einsum('spd,rpd->sr', senders, receivers)
  })
}

/** What every sender of a layer writes in the source run less what it writes in the target run: heads [H, p, d], the MLP [1, p, d]. */
function traceDifferences(model: Model, { source, target }: TracedRuns, layer: number): Tensor[] {
  const { config, weights } = model
  const forward = plainForward(model)
  const change = (hook: string) => source(hook).sub(target(hook))
  const z = `blocks.${layer}.attn.hook_z`
  const output = weights.tensor(`blocks.${layer}.attn.W_O`)
  const written = einsum('phe,hed->hpd', change(z), output)
  const mlp = config.attn_only ? [] : [change(`blocks.${layer}.hook_mlp_out`).unsqueeze(0)]
  if (!config.post_norms) return [written, ...mlp]
  // What a head adds behind a norm of the sum of heads, with the other heads as they are.
  const bias = `blocks.${layer}.attn.b_O`
  const product = einsum('phe,hed->pd', target(z), output)
  const sum = (weights.has(bias) ? product.add(weights.tensor(bias)) : product).unsqueeze(0)
  const behind = (x: Tensor) => norm(forward, `blocks.${layer}.ln1_post`, x)
  return [behind(sum.add(written)).sub(behind(sum)), ...mlp]
}

/** The metric's gradient by the stream as each receiver behind a norm sees it, summed over the runs by their shares: [receivers, p, d]. */
function tracePulledBack(
  model: Model,
  readings: readonly Reading[],
  { activation, gradient }: TracedRuns,
  shares: readonly number[],
): Tensor {
  const { config, weights } = model
  // [r, k, p, d]
  const slopes = readings.map(({ parts }) =>
    parts
      .map(({ hook, weight }) => {
        const slope = gradient(hook)
        if (weight === null) return slope.unsqueeze(0)
        if (slope.rank === 4) return einsum('kphe,hde->hkpd', slope, weights.tensor(weight))
        return einsum('kpm,dm->kpd', slope, weights.tensor(weight)).unsqueeze(0)
      })
      .reduce((a, b) => a.add(b)),
  )
  const all = concat(slopes, 0)
  const weighted = shares.length === 1 ? all : all.mul(tensor(shares, [shares.length, 1, 1]))
  const { norm: name } = readings[0]!
  const seen = isNormed(config, name) ? behindNorm(model, name, weighted, activation) : weighted
  return shares.length === 1 ? seen.squeeze(1) : seen.sum(1)
}

/**
 * Gradients [r, k, p, d] by what a norm gives as gradients by what it reads, [r, k, p, d]: by hand, because one stream's statistics serve
 * all r of them.
 */
function behindNorm(
  { config, weights }: Model,
  name: string,
  slopes: Tensor,
  activation: (hook: string) => Tensor,
): Tensor {
  const [scale, normalized] = [activation(`${name}.hook_scale`), activation(`${name}.hook_normalized`)]
  const offset = config.norm_weight_offset
  const weight = weights.has(`${name}.w`) ? weights.tensor(`${name}.w`).add(constant(offset)) : constant(1)
  const direct = slopes.mul(weight.div(scale))
  // Sums as products: a kernel that reduces rows one by one is slower.
  const average = full([config.d_model, 1], 1 / config.d_model)
  const turned = direct.sub(normalized.mul(direct.mul(normalized).matmul(average)))
  const isCentred = config.normalization_type!.startsWith('LN')
  return isCentred ? turned.sub(direct.matmul(average)) : turned
}
