import { DiopterError } from '../errors/index.ts'
import {
  constant,
  formatShape,
  full,
  isDifferentiable,
  type PrimitiveName,
  sameType,
  type Tensor,
  topologicalOrder,
} from '../tensor/index.ts'
import type { VjpRule } from './rule.ts'
import { vjpRules } from './rules/index.ts'
import { unbroadcast } from './unbroadcast.ts'

/**
 * The gradients of `outputs` with respect to the tensors `wrt`, traced, each of its tensor's shape and dtype.
 * `wrt` may hold intermediate tensors, also ones that depend on each other: each gradient is total. A tensor that the
 * outputs do not depend on has a gradient of zeros. `cotangents` weigh the outputs' elements, one tensor of each
 * output's type; they may be left out when all outputs are scalars.
 * Intermediate views must be pinned before use (`x.pin()`), else simplification may have bypassed them: that is an error here.
 * Throws for integer and bool tensors, cotangents of another type, and primitives without a rule (by name).
 */
export function gradients(
  outputs: readonly Tensor[],
  wrt: readonly Tensor[],
  cotangents: readonly Tensor[] = outputs.map(unitCotangent),
): Tensor[] {
  requireFloat(outputs, 'output')
  requireFloat(wrt, 'tensor to differentiate with respect to')
  requireCotangents(outputs, cotangents)
  const order = topologicalOrder(outputs)
  requireNotBypassed(wrt, order)
  const dependent = dependentOn(wrt, order)
  const sums = new Map<Tensor, Tensor>()
  const contribute = (t: Tensor, g: Tensor) => sums.set(t, sums.get(t)?.add(g) ?? g)

  outputs.forEach((output, i) => {
    if (dependent.has(output)) contribute(output, cotangents[i]!)
  })
  for (const node of order.toReversed()) {
    const g = sums.get(node)
    if (g === undefined || !node.inputs.some((x) => dependent.has(x))) continue
    const rule = ruleOf(node.op)
    if (rule === 'none') continue
    const contributions = rule(g, node)
    node.inputs.forEach((x, i) => {
      const contribution = contributions[i]
      if (dependent.has(x) && contribution !== undefined) contribute(x, unbroadcast(contribution, x.shape))
    })
  }
  return wrt.map((t) => sums.get(t) ?? full(t.shape, 0, t.dtype))
}

/** The tensors of `order` through which a gradient reaches one of `wrt`, and those themselves. */
function dependentOn(wrt: readonly Tensor[], order: readonly Tensor[]): Set<Tensor> {
  const dependent = new Set(wrt)
  for (const node of order) {
    if (node.inputs.some((x) => dependent.has(x)) && isDifferentiable(node) && ruleOf(node.op) !== 'none')
      dependent.add(node)
  }
  return dependent
}

function ruleOf(op: PrimitiveName): VjpRule | 'none' {
  const rule: VjpRule | 'none' | undefined = vjpRules[op]
  if (rule === undefined)
    throw new DiopterError(`The primitive '${op}' has no gradient rule; add one to src/autodiff/rules, or 'none'.`)
  return rule
}

function unitCotangent(output: Tensor): Tensor {
  if (output.rank > 0)
    throw new DiopterError(
      `The gradient of a tensor of shape ${formatShape(output.shape)} was asked for: reduce it to a scalar (sum, mean, get), or give a cotangent of its shape.`,
    )
  return constant(1, output.dtype)
}

function requireFloat(tensors: readonly Tensor[], what: string): void {
  for (const t of tensors)
    if (!isDifferentiable(t))
      throw new DiopterError(`The ${what} is ${t.dtype}${formatShape(t.shape)}: only float tensors have gradients.`)
}

const VIEWS: readonly PrimitiveName[] = ['reshape', 'transpose', 'broadcast', 'neg']

/** A view that the outputs reach only behind its back would get a silent gradient of zeros. */
function requireNotBypassed(wrt: readonly Tensor[], order: readonly Tensor[]): void {
  const reached = new Set(order)
  for (const t of wrt)
    if (!t.pinned && VIEWS.includes(t.op) && !reached.has(t) && reached.has(t.inputs[0]!))
      throw new DiopterError(
        `The outputs do not use ${t} itself, only what it is a view of: trace on from its pin(), and differentiate with respect to that.`,
      )
}

function requireCotangents(outputs: readonly Tensor[], cotangents: readonly Tensor[]): void {
  if (cotangents.length !== outputs.length)
    throw new DiopterError(`${outputs.length} outputs need as many cotangents, got ${cotangents.length}.`)
  outputs.forEach((output, i) => {
    const cotangent = cotangents[i]!
    if (!sameType(output, cotangent))
      throw new DiopterError(
        `Cotangent ${i} is ${cotangent.dtype}${formatShape(cotangent.shape)}, its output is ${output.dtype}${formatShape(output.shape)}.`,
      )
  })
}
