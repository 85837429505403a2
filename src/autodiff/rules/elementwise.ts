import { apply, type Tensor } from '../../tensor/index.ts'
import { literal, type VjpRule } from '../rule.ts'

type Unary = (g: Tensor, x: Tensor, y: Tensor) => Tensor
type Binary = (g: Tensor, a: Tensor, b: Tensor, y: Tensor) => [Tensor, Tensor | undefined]

const unary =
  (rule: Unary): VjpRule =>
  (g, y) => [rule(g, y.inputs[0]!, y)]
const binary =
  (rule: Binary): VjpRule =>
  (g, y) =>
    rule(g, y.inputs[0]!, y.inputs[1]!, y)

/** g where `condition` holds, zero elsewhere: selected, so that a NaN or infinity of the other branch never leaks. */
const keepWhere = (condition: Tensor, g: Tensor) => condition.where(g, literal(0, g))
const keepUnless = (condition: Tensor, g: Tensor) => condition.where(literal(0, g), g)
const equalsZero = (x: Tensor) => x.equal(literal(0, x))

export const elementwiseRules = {
  neg: unary((g) => g.neg()),
  abs: unary((g, x) => g.mul(x.sign())), // 0 at the kink
  exp: unary((g, _, y) => g.mul(y)),
  log: unary((g, x) => g.div(x)),
  sqrt: unary((g, _, y) => g.mul(literal(0.5, g)).div(y)),
  sin: unary((g, x) => g.mul(x.cos())),
  cos: unary((g, x) => g.mul(x.sin()).neg()),
  tanh: unary((g, _, y) => g.mul(literal(1, g).sub(y.square()))),
  erf: unary((g, x) =>
    g.mul(
      x
        .square()
        .neg()
        .exp()
        .mul(literal(2 / Math.sqrt(Math.PI), g)),
    ),
  ),
  sigmoid: unary((g, _, y) => g.mul(y.sub(y.square()))),
  relu: unary((g, _, y) => keepWhere(y.greater(literal(0, y)), g)), // 0 at the kink
  silu: unary((g, x, y) => g.mul(siluSlope(x, y))),
  gelu: unary((g, x, y) => g.mul(y.attributes.approximate === 'tanh' ? geluTanhSlope(x) : geluSlope(x))),
  cast: unary((g, x) => g.cast(x.dtype)),

  add: binary((g) => [g, g]),
  sub: binary((g) => [g, g.neg()]),
  mul: binary((g, a, b) => (a === b ? [g.mul(literal(2, g)).mul(a), undefined] : [g.mul(b), g.mul(a)])),
  div: binary((g, _, b, y) => {
    const quotient = g.div(b)
    return [quotient, quotient.mul(y).neg()]
  }),
  pow: binary((g, a, b, y) => [g.mul(powSlope(a, b)), g.mul(y).mul(safeLog(a))]),
  // At a tie the first input takes the gradient, so that clamp passes it at its bounds.
  maximum: binary((g, a, b) => {
    const second = a.less(b)
    return [keepUnless(second, g), keepWhere(second, g)]
  }),
  minimum: binary((g, a, b) => {
    const second = b.less(a)
    return [keepUnless(second, g), keepWhere(second, g)]
  }),
  where: (g, y) => [undefined, keepWhere(y.inputs[0]!, g), keepUnless(y.inputs[0]!, g)],
} satisfies Record<string, VjpRule>

/** d/dx of y = x s with s = sigmoid(x): s + y (1 - s). */
function siluSlope(x: Tensor, y: Tensor): Tensor {
  const s = x.sigmoid()
  return literal(1, x).sub(s).mul(y).add(s)
}

/** d/dx of x Phi(x): Phi(x) + x phi(x), with Phi the normal distribution function and phi its density. */
function geluSlope(x: Tensor): Tensor {
  const distribution = x.mul(literal(Math.SQRT1_2, x)).erf().add(literal(1, x)).mul(literal(0.5, x))
  const density = x
    .square()
    .mul(literal(-0.5, x))
    .exp()
    .mul(literal(1 / Math.sqrt(2 * Math.PI), x))
  return distribution.add(x.mul(density))
}

/** d/dx of x (1 + t) / 2 with t = tanh(u), u = c (x + 0.044715 x^3): (1 + t + x (1 - t^2) u') / 2. */
function geluTanhSlope(x: Tensor): Tensor {
  const c = Math.sqrt(2 / Math.PI)
  const cubic = c * 0.044715
  const squared = x.square()
  const t = x.mul(squared.mul(literal(cubic, x)).add(literal(c, x))).tanh()
  const inner = squared.mul(literal(3 * cubic, x)).add(literal(c, x))
  const one = literal(1, x)
  return t
    .add(one)
    .add(x.mul(one.sub(t.square())).mul(inner))
    .mul(literal(0.5, x))
}

/** d/da of a^b: b a^(b-1), and 0 for b = 0 also where a is 0 (0^-1 is infinite). */
function powSlope(a: Tensor, b: Tensor): Tensor {
  const one = literal(1, b)
  if (b.op === 'constant' && b.attributes.value !== 0)
    return b.mul(apply('pow', [a, literal((b.attributes.value as number) - 1, b)]))
  const reduced = equalsZero(b).where(one, b.sub(one))
  return b.mul(a.pow(reduced))
}

/** log(a), and 0 where a is 0: there a^b has slope 0 in b for every b > 0. */
function safeLog(a: Tensor): Tensor {
  return equalsZero(a).where(literal(1, a), a).log()
}
