/**
 * What becomes of an extra feature when n = m + 1 features share m dimensions: the expected losses of four structures, exactly.
 *
 * Features are active with probability p, then uniform on [0, 1]. The first m have importance 1, the extra one r. A feature with
 * a dimension of its own costs nothing. One that is left out costs its variance V = p/3 - p^2/4 (its bias is its mean p/2). Two
 * features as an antipodal pair, W = (a, -c), are read as
 *
 *     x' = relu(a^2 x - a c y + b)      y' = relu(c^2 y - a c x + d)
 *
 * With unit weights and no biases (a = c = 1, b = d = 0) a single active feature is exact, and of two active ones both are off by
 * the smaller: E min(x, y)^2 = 1/6, so the pair costs (1 + r) p^2 / 6. Then for r < 1 the pair beats ignoring the extra feature,
 * which costs r V, below p = 4 r / (2 + 5 r), and for r > 1 dropping the other one, which costs V, below p = 4 / (5 + 2 r). With the
 * best scales and biases pairs are a little cheaper, and last until higher densities.
 *
 *     extra feature ignored                r V
 *     dedicated, another one dropped       V
 *     superposed: paired with another      pair(1, r)
 *     dedicated, two others paired         pair(1, 1)          only where m > 1
 */

/** What becomes of the extra feature. */
export type Structure = 'ignored' | 'dedicated' | 'superposed' | 'others superposed'

/** In the order in which pictures colour them. */
export const structures: readonly Structure[] = ['ignored', 'dedicated', 'superposed', 'others superposed']

/** The expected loss of a feature whose output is constant, at its best bias: its variance. */
export function ignoredLoss(density: number): number {
  return density / 3 - density ** 2 / 4
}

/** The expected loss of an antipodal pair with unit weights and no biases, of importances 1 and `importance`. */
export function unitPairLoss(density: number, importance: number): number {
  return ((1 + importance) * density ** 2) / 6
}

/**
 * E (x - relu(own x - other y + bias))^2 of one feature of a pair, exactly, for own, other > 0 and bias >= 0.
 * The four cases of who is active are polynomials in pieces, which Gauss's rule integrates without error.
 */
export function pairedFeatureLoss(density: number, own: number, other: number, bias: number): number {
  const p = density
  const rest = 1 - own
  const none = bias ** 2
  const onlyOwn = rest ** 2 / 3 - rest * bias + bias ** 2
  const onlyOther = (bias ** 3 - Math.max(0, bias - other) ** 3) / (3 * other)
  // Over y first: the output is positive below y = reach(x), and 0 above, where the error is x.
  const overOther = (x: number) => {
    const reach = Math.min(1, (own * x + bias) / other)
    const start = rest * x - bias
    return ((start + other * reach) ** 3 - start ** 3) / (3 * other) + (1 - reach) * x ** 2
  }
  // from here on reach is 1
  const corner = Math.min(1, Math.max(0, (other - bias) / own))
  const both = integral(overOther, 0, corner) + integral(overOther, corner, 1)
  return (1 - p) ** 2 * none + p * (1 - p) * (onlyOwn + onlyOther) + p ** 2 * both
}

/** The least expected loss of an antipodal pair of importances 1 and `importance`, over its two scales and biases. */
export function bestPairLoss(density: number, importance: number): number {
  const loss = ([a, c, b, d]: readonly number[]) =>
    pairedFeatureLoss(density, a! ** 2, a! * c!, b!) + importance * pairedFeatureLoss(density, c! ** 2, a! * c!, d!)
  return compassSearch(loss, [1, 1, 0, 0], [0.05, 0.05, 0, 0])
}

/** The expected losses of the structures that exist for `hidden` dimensions; `pair` gives a pair's. */
export function structureLosses(
  hidden: number,
  density: number,
  importance: number,
  pair: (density: number, importance: number) => number = bestPairLoss,
): Partial<Record<Structure, number>> {
  const left = ignoredLoss(density)
  return {
    ignored: importance * left,
    dedicated: left,
    superposed: pair(density, importance),
    ...(hidden > 1 ? { 'others superposed': pair(density, 1) } : {}),
  }
}

/** The structure of least expected loss. */
export function bestStructure(losses: Partial<Record<Structure, number>>): Structure {
  const [first, ...rest] = structures.filter((one) => losses[one] !== undefined)
  return rest.reduce((best, one) => (losses[one]! < losses[best]! ? one : best), first!)
}

/** Nodes and weights of Gauss-Legendre with three points on [-1, 1]: exact up to the fifth degree. */
const GAUSS = [
  [-Math.sqrt(3 / 5), 5 / 9],
  [0, 8 / 9],
  [Math.sqrt(3 / 5), 5 / 9],
] as const

function integral(f: (x: number) => number, from: number, to: number): number {
  const half = (to - from) / 2
  return GAUSS.reduce((sum, [node, weight]) => sum + weight * half * f(from + half * (1 + node)), 0)
}

/** The least value found by steps along the axes from `start`, halved where none helps; coordinates stay at or above `least`. */
function compassSearch(
  f: (x: readonly number[]) => number,
  start: readonly number[],
  least: readonly number[],
): number {
  let [best, at] = [f(start), start]
  for (let step = 0.2; step > 1e-3; ) {
    const near = at.flatMap((value, i) => [step, -step].map((move) => at.with(i, Math.max(least[i]!, value + move))))
    const found = near.map((x) => ({ x, value: f(x) })).reduce((a, b) => (b.value < a.value ? b : a))
    if (found.value < best - 1e-15) [best, at] = [found.value, found.x]
    else step /= 2
  }
  return best
}
