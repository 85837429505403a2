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
    return simpler.op === t.op && inputs.every((input, i) => input === t.inputs[i]) ? undefined : simpler
  })
}

/** (x * a) * b = x * (a * b) for structural constants a and b. */
function mergeScale(product: Tensor, factor: Tensor): Tensor | undefined {
  if (product.op !== 'mul' || factor.op !== 'constant') return undefined
  const [x, scale] = product.inputs as [Tensor, Tensor]
  if (scale.op !== 'constant') return undefined
  return x.mul(constant((scale.attributes.value as number) * (factor.attributes.value as number), factor.dtype))
}
