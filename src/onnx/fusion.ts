import { type Tensor, typedArrayFrom } from '../tensor/index.ts'
import type { GraphBuilder } from './builder.ts'
import { fuseProduct } from './products.ts'
import { fuseScatterIntoSum } from './scatter.ts'

/** A node that is emitted as part of a fused operator: from these inputs, in this way. */
export interface Fused {
  readonly inputs: readonly Tensor[]
  readonly emit: (builder: GraphBuilder, inputs: readonly string[], t: Tensor) => string
}

/**
 * Finds the nodes that one fused operator computes. The trace itself is not changed: a captured intermediate result is
 * still emitted, from the fused operator's second output where it has one.
 */
export function planFusion(
  order: readonly Tensor[],
  uses: ReadonlyMap<Tensor, number>,
  isResident: (input: Tensor) => boolean,
  gpu: boolean,
): Map<Tensor, Fused> {
  const plan = new Map<Tensor, Fused>()
  for (const t of order) {
    fuseNorm(t, plan)
    fuseNormAffine(t, plan, uses)
    fuseScatterIntoSum(t, plan, uses)
    // these are arranged for the kernels of the CPU
    if (!gpu) fuseProduct(t, plan, uses, isResident)
  }
  return plan
}

interface Norm {
  readonly x: Tensor
  readonly centred: boolean
  readonly epsilon: number
}

/** `normalized = (x - mean) / sqrt(mean of squares + epsilon)`, the form that tensor's layerNorm and rmsNorm trace. */
function matchNorm(t: Tensor): Norm | undefined {
  if (t.op !== 'div') return undefined
  const [numerator, scale] = t.inputs as [Tensor, Tensor]
  if (scale.op !== 'sqrt' || scale.inputs[0]!.op !== 'add') return undefined
  const [variance, epsilon] = scale.inputs[0]!.inputs as [Tensor, Tensor]
  const squares = lastAxisMean(variance)
  if (!squares || epsilon.op !== 'constant' || squares.op !== 'mul') return undefined
  if (squares.inputs[0] !== numerator || squares.inputs[1] !== numerator) return undefined
  const value = epsilon.attributes.value as number
  if (numerator.op === 'sub') {
    const [x, mean] = numerator.inputs as [Tensor, Tensor]
    if (lastAxisMean(mean) === x) return { x, centred: true, epsilon: value }
  }
  return { x: numerator, centred: false, epsilon: value }
}

/** x of `mean(x, -1, keepdims)`, which is traced as a sum times 1/n. */
function lastAxisMean(t: Tensor): Tensor | undefined {
  if (t.op !== 'mul') return undefined
  const [sum, factor] = t.inputs as [Tensor, Tensor]
  if (sum.op !== 'reduce_sum' || factor.op !== 'constant' || !sum.attributes.keepdims) return undefined
  const x = sum.inputs[0]!
  const axes = sum.attributes.axes as readonly number[]
  const n = x.shape[x.rank - 1]!
  const isMean = axes.length === 1 && axes[0] === x.rank - 1 && factor.attributes.value === 1 / n
  return isMean ? x : undefined
}

/** Emits the norm; [normalized, 1 / scale]. Both names come from one node because the builder shares equal nodes. */
function emitNorm(
  builder: GraphBuilder,
  { x, centred, epsilon }: Norm,
  name: string,
  weight: string,
  bias?: string,
): { normalized: string; inverseScale: string } {
  const attributes = { axis: x.rank - 1, epsilon: { float: epsilon } }
  if (centred) {
    const [normalized, , inverseScale] = builder.nodeOutputs(
      'LayerNormalization',
      bias ? [name, weight, bias] : [name, weight],
      attributes,
      3,
    )
    return { normalized: normalized!, inverseScale: inverseScale! }
  }
  const [normalized, inverseScale] = builder.nodeOutputs('SimplifiedLayerNormalization', [name, weight], attributes, 2)
  return { normalized: normalized!, inverseScale: inverseScale! }
}

function ones(builder: GraphBuilder, { x }: Norm): string {
  const n = x.shape[x.rank - 1]!
  return builder.initializer(x.dtype, [n], typedArrayFrom(x.dtype, new Array(n).fill(1)))
}

function fuseNorm(t: Tensor, plan: Map<Tensor, Fused>): void {
  const norm = matchNorm(t)
  if (norm?.x.dtype !== 'float32') return
  const scale = t.inputs[1]!
  plan.set(t, { inputs: [norm.x], emit: (builder, [x]) => emitNorm(builder, norm, x!, ones(builder, norm)).normalized })
  plan.set(scale, {
    inputs: [norm.x],
    emit: (builder, [x]) => builder.node('Reciprocal', [emitNorm(builder, norm, x!, ones(builder, norm)).inverseScale]),
  })
}

/** `normalized * w` and `normalized * w + b`, when nothing else looks at the steps between. */
function fuseNormAffine(t: Tensor, plan: Map<Tensor, Fused>, uses: ReadonlyMap<Tensor, number>): void {
  const isWeight = (w: Tensor, x: Tensor) => w.rank === 1 && w.shape[0] === x.shape[x.rank - 1]
  const alone = (x: Tensor) => uses.get(x) === 1
  if (t.op === 'mul') {
    const [normalized, weight] = t.inputs as [Tensor, Tensor]
    const norm = matchNorm(normalized)
    if (!norm || !plan.has(normalized) || !alone(normalized) || !isWeight(weight, normalized)) return
    plan.set(t, { inputs: [norm.x, weight], emit: (builder, [x, w]) => emitNorm(builder, norm, x!, w!).normalized })
  } else if (t.op === 'add') {
    const [scaled, bias] = t.inputs as [Tensor, Tensor]
    const norm = scaled.op === 'mul' && plan.has(scaled) ? matchNorm(scaled.inputs[0]!) : undefined
    if (!norm?.centred || !alone(scaled) || !isWeight(bias, scaled)) return
    plan.set(t, {
      inputs: [norm.x, scaled.inputs[1]!, bias],
      emit: (builder, [x, w, b]) => emitNorm(builder, norm, x!, w!, b!).normalized,
    })
  }
}
