import { apply, full, type Tensor } from '../../tensor/index.ts'
import type { VjpRule } from '../rule.ts'

const list = (node: Tensor, key: string) => node.attributes[key] as readonly number[]

export const shapeRules = {
  reshape: (g, y) => [g.reshape(...y.inputs[0]!.shape)],
  transpose(g, y) {
    const inverse: number[] = []
    list(y, 'permutation').forEach((from, to) => {
      inverse[from] = to
    })
    return [g.transpose(...inverse)]
  },
  broadcast: (g) => [g], // the sweep sums it back
  slice: (g, y) => [unslice(g, y)],
  pad(g, y) {
    const low = list(y, 'low')
    return [window(g, low, y.inputs[0]!.shape)]
  },
  // turned back; the tables' gradients are those of the two products
  rotate(g, y) {
    const [x, cos, sin] = y.inputs as [Tensor, Tensor, Tensor]
    const [first, second] = halves(x)
    const [gFirst, gSecond] = halves(g)
    return [
      g.rotate(cos, sin.neg()),
      gFirst.mul(first).add(gSecond.mul(second)),
      gSecond.mul(first).sub(gFirst.mul(second)),
    ]
  },
  concat(g, y) {
    const axis = y.attributes.axis as number
    let start = 0
    return y.inputs.map((x) => {
      const starts = x.shape.map((_, i) => (i === axis ? start : 0))
      start += x.shape[axis]!
      return window(g, starts, x.shape)
    })
  },
} satisfies Record<string, VjpRule>

function halves(x: Tensor): [Tensor, Tensor] {
  const half = x.shape[x.rank - 1]! / 2
  return [x.slice(-1, 0, half), x.slice(-1, half)]
}

/** The part of `g` of the given shape that begins at `starts`. */
function window(g: Tensor, starts: readonly number[], shape: readonly number[]): Tensor {
  const ends = starts.map((start, i) => start + shape[i]!)
  return apply('slice', [g], { starts, ends, steps: shape.map(() => 1) })
}

/** The transpose of a slice: `g` put back at the positions read, zeros elsewhere. */
function unslice(g: Tensor, y: Tensor): Tensor {
  const { shape } = y.inputs[0]!
  if (g.size === 0) return full(shape, 0, g.dtype)
  const [starts, steps] = [list(y, 'starts'), list(y, 'steps')]
  const spread = steps.reduce(spreadAxis, g)
  const cut = spread.shape.map((n, i) => Math.min(n, shape[i]! - starts[i]!))
  const low = [...starts]
  const high = shape.map((n, i) => n - starts[i]! - cut[i]!)
  return window(
    spread,
    starts.map(() => 0),
    cut,
  ).pad(low, high)
}

/** step-1 zeros put after every element of `axis`. */
function spreadAxis(g: Tensor, step: number, axis: number): Tensor {
  if (step === 1) return g
  const none = new Array<number>(g.rank + 1).fill(0)
  // [.., n, ..] -> [.., n, 1, ..] -> [.., n, step, ..] -> [.., n * step, ..]
  const spread = g.unsqueeze(axis + 1).pad(none, none.with(axis + 1, step - 1))
  return spread.reshape(...g.shape.with(axis, g.shape[axis]! * step))
}
