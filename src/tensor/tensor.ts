import { DiopterError } from '../errors/index.ts'
import { constant, tensor } from './creation.ts'
import { type DType, isFloat, type TypedArray } from './dtype.ts'
import { type AxisIndex, Region, readRegion } from './indexing.ts'
import { type Attributes, type PrimitiveName, primitives } from './primitives.ts'
import { formatShape, normalizeAxis, type Shape, sameShape, sizeOf } from './shape.ts'
import { simplify } from './simplify.ts'

/** What arithmetic accepts beside a tensor: a number is lifted to an input, so another value never recompiles. */
export type Operand = Tensor | number

let nextId = 0

/**
 * A symbolic tensor: one node of a traced graph, with a concrete shape and dtype and no values.
 * Methods trace new nodes; the engine computes them. Nothing is ever changed in place.
 */
export class Tensor {
  /** Order of creation: an input's id is always smaller than its user's. */
  readonly id: number
  readonly op: PrimitiveName
  readonly inputs: readonly Tensor[]
  readonly attributes: Attributes
  readonly shape: Shape
  readonly dtype: DType
  /** The values of a lifted constant (op `input`); they are data, not structure. */
  readonly value: TypedArray | undefined
  /** True when simplifications must not look through this node; see `pin`. */
  readonly pinned: boolean

  constructor(
    op: PrimitiveName,
    inputs: readonly Tensor[],
    attributes: Attributes,
    value?: TypedArray,
    pinned: boolean = false,
  ) {
    const type = primitives[op].infer(inputs, attributes, op)
    this.id = nextId++
    this.op = op
    this.inputs = inputs
    this.attributes = attributes
    this.shape = type.shape
    this.dtype = type.dtype
    this.value = value
    this.pinned = pinned
  }

  /** The number of axes. */
  get rank(): number {
    return this.shape.length
  }

  /** The number of elements. */
  get size(): number {
    return sizeOf(this.shape)
  }

  toString(): string {
    return `Tensor(${this.op} ${this.dtype} ${formatShape(this.shape)})`
  }

  // elementwise arithmetic, with NumPy's broadcasting

  add(other: Operand): Tensor {
    return apply('add', [this, this.lift(other)])
  }
  sub(other: Operand): Tensor {
    return apply('sub', [this, this.lift(other)])
  }
  mul(other: Operand): Tensor {
    return apply('mul', [this, this.lift(other)])
  }
  div(other: Operand): Tensor {
    return apply('div', [this, this.lift(other)])
  }
  pow(exponent: Operand): Tensor {
    return apply('pow', [this, this.lift(exponent)])
  }
  maximum(other: Operand): Tensor {
    return apply('maximum', [this, this.lift(other)])
  }
  minimum(other: Operand): Tensor {
    return apply('minimum', [this, this.lift(other)])
  }
  /** Values limited to low..high. */
  clamp(low: Operand, high: Operand): Tensor {
    return this.maximum(low).minimum(high)
  }
  neg(): Tensor {
    return apply('neg', [this])
  }
  abs(): Tensor {
    return apply('abs', [this])
  }
  sign(): Tensor {
    return apply('sign', [this])
  }
  floor(): Tensor {
    return apply('floor', [this])
  }
  exp(): Tensor {
    return apply('exp', [this])
  }
  log(): Tensor {
    return apply('log', [this])
  }
  sqrt(): Tensor {
    return apply('sqrt', [this])
  }
  square(): Tensor {
    return this.mul(this)
  }
  sin(): Tensor {
    return apply('sin', [this])
  }
  cos(): Tensor {
    return apply('cos', [this])
  }
  tanh(): Tensor {
    return apply('tanh', [this])
  }
  erf(): Tensor {
    return apply('erf', [this])
  }
  sigmoid(): Tensor {
    return apply('sigmoid', [this])
  }
  relu(): Tensor {
    return apply('relu', [this])
  }
  /** x * sigmoid(x). */
  silu(): Tensor {
    return apply('silu', [this])
  }
  /** GELU: exact with the error function (`'none'`) or the tanh approximation of GPT-2 (`'tanh'`). */
  gelu(approximate: 'none' | 'tanh' = 'none'): Tensor {
    return apply('gelu', [this], { approximate })
  }
  /** The same values, through which no gradient flows. */
  stopGradient(): Tensor {
    return apply('stop_gradient', [this])
  }
  cast(dtype: DType): Tensor {
    return apply('cast', [this], { dtype })
  }
  /**
   * The same values as a node that what is traced from it really uses: `q.pin().transpose()` never reaches behind q, as
   * the simplification of views otherwise may. An intermediate tensor to differentiate with respect to is pinned first.
   */
  pin(): Tensor {
    if (this.pinned || this.op === 'input') return this
    return new Tensor(this.op, this.inputs, this.attributes, undefined, true)
  }

  // comparisons and logic give bool tensors

  equal(other: Operand): Tensor {
    return apply('equal', [this, this.lift(other)])
  }
  less(other: Operand): Tensor {
    return apply('less', [this, this.lift(other)])
  }
  greater(other: Operand): Tensor {
    return apply('less', [this.lift(other), this])
  }
  and(other: Tensor): Tensor {
    return apply('and', [this, other])
  }
  or(other: Tensor): Tensor {
    return apply('or', [this, other])
  }
  not(): Tensor {
    return apply('not', [this])
  }
  /** This bool tensor chooses between `whenTrue` and `whenFalse`, elementwise with broadcasting; one of them is a tensor. */
  where(whenTrue: Operand, whenFalse: Operand): Tensor {
    const like = whenTrue instanceof Tensor ? whenTrue : whenFalse
    if (!(like instanceof Tensor))
      throw new DiopterError('where: one of the two values must be a tensor, to give the dtype.')
    return apply('where', [this, like.lift(whenTrue), like.lift(whenFalse)])
  }

  // shape

  /** The same elements in row-major order; one size may be -1. */
  reshape(...shape: number[]): Tensor {
    const unknown = shape.indexOf(-1)
    if (unknown >= 0) {
      const known = -sizeOf(shape)
      if (known <= 0 || this.size % known !== 0)
        throw new DiopterError(`reshape: ${formatShape(this.shape)} does not fit ${formatShape(shape)}.`)
      shape = shape.with(unknown, this.size / known)
    }
    return apply('reshape', [this], { shape })
  }
  /** Axes in the order given; without arguments the last two are swapped. */
  transpose(...permutation: number[]): Tensor {
    if (permutation.length === 0) {
      permutation = this.shape.map((_, i) => i)
      const last = this.rank - 1
      permutation[last] = last - 1
      permutation[last - 1] = last
    }
    return apply('transpose', [this], { permutation })
  }
  broadcast(...shape: number[]): Tensor {
    return apply('broadcast', [this], { shape })
  }
  /** An axis of size 1 inserted before `axis`. */
  unsqueeze(axis: number): Tensor {
    const at = normalizeAxis(axis, this.rank + 1, 'unsqueeze')
    return this.reshape(...this.shape.slice(0, at), 1, ...this.shape.slice(at))
  }
  /** Without the given axis of size 1. */
  squeeze(axis: number): Tensor {
    const at = normalizeAxis(axis, this.rank, 'squeeze')
    if (this.shape[at] !== 1)
      throw new DiopterError(`squeeze: axis ${axis} of ${formatShape(this.shape)} is not of size 1.`)
    return this.reshape(...this.shape.slice(0, at), ...this.shape.slice(at + 1))
  }
  /** Elements start..end-1 of one axis; negative numbers count from the end. */
  slice(axis: number, start: number, end: number = Number.POSITIVE_INFINITY, step = 1): Tensor {
    const at = normalizeAxis(axis, this.rank, 'slice')
    const n = this.shape[at]!
    const clip = (i: number) => Math.max(0, Math.min(n, i < 0 ? i + n : i))
    const starts = this.shape.map((_, i) => (i === at ? clip(start) : 0))
    const ends = this.shape.map((size, i) => (i === at ? Math.max(clip(start), clip(end)) : size))
    const steps = this.shape.map((_, i) => (i === at ? step : 1))
    return apply('slice', [this], { starts, ends, steps })
  }
  /**
   * Pairs of features turned by angles: feature i of the last axis's first half with feature i of its second, of which
   * `cos` and `sin` [..., half] broadcast to one half. (Su et al. 2021, in the layout of GPT-NeoX.)
   */
  rotate(cos: Tensor, sin: Tensor): Tensor {
    return apply('rotate', [this, cos, sin])
  }
  /** `low` and `high` elements of `value` put before and after each axis. */
  pad(low: readonly number[], high: readonly number[], value = 0): Tensor {
    return apply('pad', [this], { low, high, value })
  }

  /**
   * Read with NumPy-like indices: a number picks one (and drops the axis), ':' or 'a:b' or 'a:b:step' a range,
   * an array or an integer tensor gathers, '...' stands for the axes between. `x.get(':', -1)` is [B, d] of [B, P, d].
   */
  get(...index: AxisIndex[]): Tensor {
    return readRegion(this, index)
  }
  /**
   * A region to write functionally: `x.at(':', -1).mul(0)` is all of x with its last position zeroed.
   * The region's methods (`set add mul apply ...`) return the WHOLE tensor; read with `get`.
   */
  at(...index: AxisIndex[]): Region {
    return new Region(this, index)
  }

  // reductions; `axes` counts from the end when negative, all axes when absent

  sum(axes?: number | readonly number[], keepdims = false): Tensor {
    return this.reduce('reduce_sum', axes, keepdims)
  }
  mean(axes?: number | readonly number[], keepdims = false): Tensor {
    if (!isFloat(this.dtype)) throw new DiopterError(`mean: needs a float tensor, got ${this.dtype}; cast it first.`)
    const sum = this.sum(axes, keepdims)
    return sum.mul(constant(sum.size / this.size, this.dtype))
  }
  max(axes?: number | readonly number[], keepdims = false): Tensor {
    return this.reduce('reduce_max', axes, keepdims)
  }
  min(axes?: number | readonly number[], keepdims = false): Tensor {
    return this.reduce('reduce_min', axes, keepdims)
  }
  /** The index (int64) of the largest element along `axis`, the first of equals. */
  argmax(axis = -1): Tensor {
    return apply('argmax', [this], { axis: normalizeAxis(axis, this.rank, 'argmax') })
  }
  /** Running sums along `axis`. */
  cumsum(axis = -1, options: { reverse?: boolean; exclusive?: boolean } = {}): Tensor {
    const { reverse = false, exclusive = false } = options
    return apply('cumsum', [this], { axis: normalizeAxis(axis, this.rank, 'cumsum'), reverse, exclusive })
  }
  softmax(axis = -1): Tensor {
    return apply('softmax', [this], { axis: normalizeAxis(axis, this.rank, 'softmax') })
  }
  /** log(softmax(x)), computed as x - max - log(sum(exp(x - max))): exact, and a kernel on every backend. */
  logSoftmax(axis = -1): Tensor {
    const shifted = this.sub(this.max(axis, true).stopGradient())
    return shifted.sub(shifted.exp().sum(axis, true).log())
  }
  /** log(sum(exp(x))) along `axis`, without overflow. */
  logSumExp(axis = -1, keepdims = false): Tensor {
    const peak = this.max(axis, true).stopGradient()
    const total = this.logSumExpAbove(peak, axis).add(peak)
    return keepdims ? total : total.squeeze(axis)
  }
  /** log(sum(exp(x - shift))) along `axis`, which stays as 1, as in `shift`: exact near the largest x when that is the shift. */
  logSumExpAbove(shift: Tensor, axis = -1): Tensor {
    return apply('log_sum_exp', [this, shift], { axis: normalizeAxis(axis, this.rank, 'logSumExpAbove') })
  }
  /** The k largest (or smallest) along `axis`, sorted: their values and indices (int64). */
  topK(k: number, axis = -1, largest = true): { values: Tensor; indices: Tensor } {
    const at = normalizeAxis(axis, this.rank, 'topK')
    const indices = apply('top_k_indices', [this], { axis: at, k, largest })
    return { values: this.gatherElements(indices, at), indices }
  }
  /** All of `axis` sorted, with the indices (int64) that sort it. */
  sort(axis = -1, descending = false): { values: Tensor; indices: Tensor } {
    return this.topK(this.shape[normalizeAxis(axis, this.rank, 'sort')]!, axis, descending)
  }

  // indexing and contraction

  /** Slices of `axis` picked by integer `indices` of any shape, which replaces the axis. */
  gather(indices: Tensor, axis = 0): Tensor {
    return apply('gather', [this, indices], { axis: normalizeAxis(axis, this.rank, 'gather') })
  }
  /** One element per position of `indices` (same rank), taken along `axis`. */
  gatherElements(indices: Tensor, axis = -1): Tensor {
    return apply('gather_elements', [this, indices], { axis: normalizeAxis(axis, this.rank, 'gatherElements') })
  }
  /** This int tensor's slices of `updates` added into zeros with `size` on `axis`: the transpose of `gather`. */
  scatterAdd(updates: Tensor, size: number, axis = 0): Tensor {
    const resultRank = updates.rank - this.rank + 1
    return apply('scatter_add', [this, updates], { axis: normalizeAxis(axis, resultRank, 'scatterAdd'), size })
  }
  /** [..., m, k] times [..., k, n]. */
  matmul(other: Tensor): Tensor {
    return apply('matmul', [this, other])
  }

  private reduce(
    op: 'reduce_sum' | 'reduce_max' | 'reduce_min',
    axes: number | readonly number[] | undefined,
    keepdims: boolean,
  ): Tensor {
    const list = axes === undefined ? this.shape.map((_, i) => i) : typeof axes === 'number' ? [axes] : axes
    const normalized = list.map((axis) => normalizeAxis(axis, this.rank, op)).sort((a, b) => a - b)
    if (new Set(normalized).size !== normalized.length)
      throw new DiopterError(`${op}: axes [${list.join(', ')}] name one axis twice.`)
    return normalized.length === 0 ? this : apply(op, [this], { axes: normalized, keepdims })
  }

  private lift(operand: Operand): Tensor {
    return operand instanceof Tensor ? operand : tensor([operand], [], this.dtype)
  }
}

/** Traces one primitive; trivial forms (identity reshape, transposed transpose ...) collapse at once. */
export function apply(op: PrimitiveName, inputs: readonly Tensor[], attributes: Attributes = {}): Tensor {
  return simplify(op, inputs, attributes) ?? new Tensor(op, inputs, attributes)
}

/** Tensors joined along `axis`. */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  const first = tensors[0]
  if (!first) throw new DiopterError('concat: no tensors were given.')
  return apply('concat', tensors, { axis: normalizeAxis(axis, first.rank, 'concat') })
}

/** Tensors of one shape joined along a new axis. */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  return concat(
    tensors.map((t) => t.unsqueeze(axis)),
    axis,
  )
}

/** `condition` (bool) chooses between `a` and `b`, elementwise with broadcasting; one of them is a tensor. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  return condition.where(a, b)
}

/** True where the two types agree in shape and dtype. */
export function sameType(a: Tensor, b: Tensor): boolean {
  return a.dtype === b.dtype && sameShape(a.shape, b.shape)
}

/** True when the tensor's dtype has gradients. */
export function isDifferentiable(t: Tensor): boolean {
  return isFloat(t.dtype)
}
