import type { Attributes, PrimitiveName } from './primitives.ts'
import { sameShape } from './shape.ts'
import { apply, type Tensor } from './tensor.ts'

/**
 * Trivial forms that collapse while tracing, so that views of weights and reshapes cost nothing:
 * returns the simpler tensor, or undefined when the primitive must really be traced.
 */
export function simplify(op: PrimitiveName, inputs: readonly Tensor[], attributes: Attributes): Tensor | undefined {
  return rules[op]?.(inputs, attributes)
}

const identityPermutation = (permutation: readonly number[]) => permutation.every((p, i) => p === i)
const isConstant = (x: Tensor, value: number) => x.op === 'constant' && x.attributes.value === value

const rules: Partial<Record<PrimitiveName, (inputs: readonly Tensor[], attributes: Attributes) => Tensor | undefined>> =
  {
    reshape([x], { shape }) {
      if (sameShape(x!.shape, shape as readonly number[])) return x
      return x!.op === 'reshape' ? apply('reshape', x!.inputs, { shape: shape! }) : undefined
    },
    transpose([x], attributes) {
      const permutation = attributes.permutation as readonly number[]
      if (identityPermutation(permutation)) return x
      if (x!.op !== 'transpose') return undefined
      const inner = x!.attributes.permutation as readonly number[]
      return apply('transpose', x!.inputs, { permutation: permutation.map((p) => inner[p]!) })
    },
    broadcast: ([x], { shape }) => (sameShape(x!.shape, shape as readonly number[]) ? x : undefined),
    cast: ([x], { dtype }) => (x!.dtype === dtype ? x : undefined),
    slice([x], attributes) {
      const starts = attributes.starts as readonly number[]
      const ends = attributes.ends as readonly number[]
      const steps = attributes.steps as readonly number[]
      const whole = x!.shape.every((n, i) => starts[i] === 0 && ends[i] === n && steps[i] === 1)
      return whole ? x : undefined
    },
    pad([x], { low, high }) {
      const none = [...(low as readonly number[]), ...(high as readonly number[])].every((n) => n === 0)
      return none ? x : undefined
    },
    concat([x, ...others], { axis }) {
      if (others.length === 0) return x
      const parts = [x!, ...others].filter((part) => part.shape[axis as number] !== 0)
      return parts.length > 0 && parts.length <= others.length ? apply('concat', parts, { axis: axis! }) : undefined
    },
    neg: ([x]) => (x!.op === 'neg' ? x!.inputs[0] : undefined),
    stop_gradient: ([x]) => (x!.op === 'stop_gradient' || x!.op === 'constant' ? x : undefined),
    add: ([a, b]) => (isConstant(b!, 0) ? a : isConstant(a!, 0) ? b : undefined),
    sub: ([a, b]) => (isConstant(b!, 0) ? a : undefined),
    mul: ([a, b]) => (isConstant(b!, 1) ? a : isConstant(a!, 1) ? b : undefined),
    div: ([a, b]) => (isConstant(b!, 1) ? a : undefined),
  }
