import type { Tensor } from '../../tensor/index.ts'
import { literal, type VjpRule } from '../rule.ts'

/** A reduction's result (or its gradient) with the reduced axes back as 1, leading ones left out: it broadcasts against the input. */
function withReducedAxes(t: Tensor, y: Tensor): Tensor {
  const axes = y.attributes.axes as readonly number[]
  const kept = y.inputs[0]!.shape.map((n, i) => (axes.includes(i) ? 1 : n))
  const leading = axes.findIndex((axis, i) => axis !== i)
  return t.reshape(...kept.slice(leading < 0 ? axes.length : leading))
}

/** The gradient of an extreme, shared equally among the elements that attain it. */
const extreme: VjpRule = (g, y) => {
  const x = y.inputs[0]!
  const attained = x.equal(withReducedAxes(y, y))
  const count = attained.cast(g.dtype).sum(y.attributes.axes as readonly number[], true)
  return [attained.where(withReducedAxes(g, y).div(count), literal(0, g))]
}

export const reductionRules = {
  reduce_sum: (g, y) => [withReducedAxes(g, y).broadcast(...y.inputs[0]!.shape)],
  reduce_max: extreme,
  reduce_min: extreme,
  cumsum(g, y) {
    const { axis, reverse, exclusive } = y.attributes
    return [g.cumsum(axis as number, { reverse: !reverse, exclusive: exclusive as boolean })]
  },
  // y is 0 where a score is -inf, and so is the gradient; the scores themselves are not read again
  softmax(g, y) {
    return [y.mul(g.sub(g.mul(y).sum(y.attributes.axis as number, true)))]
  },
  log_sum_exp: (g, y) => [y.inputs[0]!.softmax(y.attributes.axis as number).mul(g), g.neg()],
} satisfies Record<string, VjpRule>
