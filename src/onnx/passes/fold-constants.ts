import { apply, constant, isFloat, type PrimitiveName, type Tensor } from '../../tensor/index.ts'
import { rewrite } from './rewrite.ts'

type Fold = (...values: number[]) => number

/** What scalar arithmetic on structural constants gives; float64 here, rounded once when it is written. */
const folds: Partial<Record<PrimitiveName, Fold>> = {
  neg: (a) => -a,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow: (a, b) => a ** b,
}

/**
 * Folds float arithmetic between structural constants, merges chains of products with them, and re-applies the trivial
 * simplifications that other passes opened. Larger constants are left to ONNX Runtime, which folds initializers itself.
 */
export function foldConstants(outputs: readonly Tensor[]): Tensor[] {
  return rewrite(outputs, (t, inputs) => {
    const fold = folds[t.op]
    if (fold && isFloat(t.dtype) && inputs.every((i) => i.op === 'constant')) {
      return constant(fold(...inputs.map((i) => i.attributes.value as number)), t.dtype)
    }
    if (t.op === 'mul') {
      const merged = mergeScale(inputs[0]!, inputs[1]!) ?? mergeScale(inputs[1]!, inputs[0]!)
      if (merged) return merged
    }
    if (t.op === 'input' || t.op === 'constant' || t.op === 'iota') return undefined
    const simpler = apply(t.op, inputs, t.attributes)
    const traced = simpler.op === t.op && simpler.inputs.every((input, i) => input === inputs[i])
    return traced ? undefined : simpler
  })
}

/** (x * a) * b = x * (a * b) for structural float constants a and b whose product stays within every float dtype's normal range. */
function mergeScale(product: Tensor, factor: Tensor): Tensor | undefined {
  if (product.op !== 'mul' || factor.op !== 'constant' || !isFloat(factor.dtype)) return undefined
  const [x, scale] = product.inputs as [Tensor, Tensor]
  if (scale.op !== 'constant') return undefined
  const merged = (scale.attributes.value as number) * (factor.attributes.value as number)
  const isSafe = Math.abs(merged) > 2 ** -14 && Math.abs(merged) < 2 ** 15
  return isSafe ? x.mul(constant(merged, factor.dtype)) : undefined
}
