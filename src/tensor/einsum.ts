import { DiopterError } from '../errors/index.ts'
import { sizeOf } from './shape.ts'
import type { Tensor } from './tensor.ts'

/**
 * Einstein summation of one or two tensors, for example `einsum('bpd,hde->bphe', x, W_Q)`: every letter is an axis,
 * letters absent from the output are summed. Lowered to one (batched) matrix product; views of stored weights are
 * looked through, so that a transposed weight is multiplied where it lies instead of being copied.
 * Throws when the letters and the shapes disagree.
 */
export function einsum(equation: string, ...operands: Tensor[]): Tensor {
  const { inputs, output } = parse(equation, operands)
  const sizes = axisSizes(equation, inputs, operands)
  if (operands.length === 1) {
    const only = sumAbsent({ x: operands[0]!, letters: inputs[0]! }, output)
    return arrange(only, output)
  }
  const [a, b] = operands.map((x, i) => sumAbsent({ x, letters: inputs[i]! }, output + inputs[1 - i]!)) as [
    Labelled,
    Labelled,
  ]
  const shared = [...a.letters].filter((c) => b.letters.includes(c))
  const batch = shared.filter((c) => output.includes(c))
  const contracted = shared.filter((c) => !output.includes(c))
  const rows = [...a.letters].filter((c) => !shared.includes(c))
  const columns = [...b.letters].filter((c) => !shared.includes(c))
  const size = (letters: readonly string[]) => sizeOf(letters.map((c) => sizes.get(c)!))
  // Without batch axes the left operand keeps its rows apart ([B, P, d] x [d, n]): only then can a pass see that one
  // position of every prompt is all that is needed of the product.
  const left = asMatrix(a, batch, rows, contracted, size, batch.length === 0)
  const right = asMatrix(b, batch, contracted, columns, size)
  // [batch, rows, contracted] x [batch, contracted, columns] -> the axes of batch, rows, columns, then the output's order
  const product = left.matmul(right).reshape(...[...batch, ...rows, ...columns].map((c) => sizes.get(c)!))
  return arrange({ x: product, letters: [...batch, ...rows, ...columns].join('') }, output)
}

interface Labelled {
  readonly x: Tensor
  readonly letters: string
}

function parse(equation: string, operands: readonly Tensor[]): { inputs: string[]; output: string } {
  const [left, output, ...rest] = equation.replaceAll(' ', '').split('->')
  const inputs = left!.split(',')
  const valid =
    output !== undefined &&
    rest.length === 0 &&
    inputs.length === operands.length &&
    operands.length >= 1 &&
    operands.length <= 2
  if (!valid)
    throw new DiopterError(
      `einsum: '${equation}' must name one or two inputs and an output, and match the ${operands.length} tensors given.`,
    )
  for (const letters of [...inputs, output]) {
    if (!/^[a-zA-Z]*$/.test(letters) || new Set(letters).size !== letters.length) {
      throw new DiopterError(`einsum: '${letters}' in '${equation}' must be distinct letters.`)
    }
  }
  for (const c of output)
    if (!inputs.some((letters) => letters.includes(c)))
      throw new DiopterError(`einsum: output axis '${c}' of '${equation}' is in no input.`)
  return { inputs, output }
}

function axisSizes(equation: string, inputs: readonly string[], operands: readonly Tensor[]): Map<string, number> {
  const sizes = new Map<string, number>()
  operands.forEach((x, i) => {
    const letters = inputs[i]!
    if (letters.length !== x.rank)
      throw new DiopterError(
        `einsum: '${letters}' in '${equation}' names ${letters.length} axes, the tensor has shape [${x.shape.join(', ')}].`,
      )
    ;[...letters].forEach((c, axis) => {
      const known = sizes.get(c)
      if (known !== undefined && known !== x.shape[axis])
        throw new DiopterError(
          `einsum: axis '${c}' of '${equation}' is ${known} in one input and ${x.shape[axis]} in another.`,
        )
      sizes.set(c, x.shape[axis]!)
    })
  })
  return sizes
}

/** Sums the axes that neither the output nor the other operand names. */
function sumAbsent({ x, letters }: Labelled, needed: string): Labelled {
  const axes = [...letters].flatMap((c, axis) => (needed.includes(c) ? [] : [axis]))
  return axes.length === 0
    ? { x, letters }
    : { x: x.sum(axes), letters: [...letters].filter((c) => needed.includes(c)).join('') }
}

function arrange({ x, letters }: Labelled, output: string): Tensor {
  return x.transpose(...[...output].map((c) => letters.indexOf(c)))
}

/**
 * x as [...batch, first, second], or [...first, second] with `keepFirst`; when x already lies as [...batch, second, first]
 * in memory, that and a swap of the last two axes.
 */
function asMatrix(
  labelled: Labelled,
  batch: string[],
  first: string[],
  second: string[],
  size: (letters: readonly string[]) => number,
  keepFirst = false,
): Tensor {
  const { x, letters } = peelTranspose(labelled)
  const batchSizes = batch.map((c) => size([c]))
  if (letters === [...batch, ...second, ...first].join('') && second.length > 0 && first.length > 0) {
    return x.reshape(...batchSizes, size(second), size(first)).transpose()
  }
  const arranged = arrange({ x, letters }, [...batch, ...first, ...second].join(''))
  const firstSizes = keepFirst && first.length > 0 ? first.map((c) => size([c])) : [size(first)]
  return arranged.reshape(...batchSizes, ...firstSizes, size(second))
}

/** The tensor under a transpose, with its letters in stored order. */
function peelTranspose({ x, letters }: Labelled): Labelled {
  if (x.op !== 'transpose' || x.pinned) return { x, letters }
  const permutation = x.attributes.permutation as readonly number[]
  const stored = new Array<string>(permutation.length)
  permutation.forEach((p, i) => {
    stored[p] = letters[i]!
  })
  return { x: x.inputs[0]!, letters: stored.join('') }
}
