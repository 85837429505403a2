import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../test/support/evaluate.ts'
import { type AxisIndex, input, type Shape, sizeOf, stridesOf, tensor } from './index.ts'

/** What one axis's index means to the reference: the positions in order, and whether the axis goes. */
interface AxisReference {
  readonly index: AxisIndex
  readonly positions: number[]
  readonly drop: boolean
}

const range = (start: number, end: number, step: number) =>
  Array.from({ length: Math.max(0, Math.ceil((end - start) / step)) }, (_, i) => start + i * step)

/** An index of any kind for an axis of `size`; `write` leaves out tensors, which cannot be written through. */
function axisIndex(size: number, write: boolean): fc.Arbitrary<AxisReference> {
  const position = fc.integer({ min: -size, max: size - 1 })
  const resolve = (i: number) => (i < 0 ? i + size : i)
  const kinds: fc.Arbitrary<AxisReference>[] = [
    position.map((i) => ({ index: i, positions: [resolve(i)], drop: true })),
    fc.constant({ index: ':', positions: range(0, size, 1), drop: false }),
    fc
      .tuple(
        fc.option(fc.integer({ min: -size - 1, max: size + 1 })),
        fc.option(fc.integer({ min: -size - 1, max: size + 1 })),
        fc.option(fc.integer({ min: 1, max: 3 })),
      )
      .map(([a, b, step]) => {
        const clip = (i: number) => Math.min(size, Math.max(0, resolve(i)))
        const index = `${a ?? ''}:${b ?? ''}${step === null ? '' : `:${step}`}`
        return { index, positions: range(clip(a ?? 0), clip(b ?? size), step ?? 1), drop: false }
      }),
    fc.array(position, { maxLength: 3 }).map((list) => ({ index: list, positions: list.map(resolve), drop: false })),
  ]
  const gather = fc
    .array(position, { minLength: 1, maxLength: 3 })
    .map((list) => ({ index: tensor(list, [list.length], 'int64'), positions: list.map(resolve), drop: false }))
  return fc.oneof(...kinds, ...(write ? [] : [gather]))
}

interface Access {
  readonly shape: Shape
  readonly axes: readonly AxisReference[]
  /** The index as written: trailing axes (or, with dots, middle ones) may be left out. */
  readonly index: readonly AxisIndex[]
}

const access = (write: boolean): fc.Arbitrary<Access> =>
  fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }).chain((shape) =>
    fc
      .tuple(
        fc.tuple(...shape.map((n) => axisIndex(n, write))),
        fc.constantFrom('none', 'trailing', 'dots'),
        fc.nat(shape.length),
        fc.nat(shape.length),
      )
      .map(([axes, omission, p, q]) => {
        if (omission === 'none') return { shape, axes, index: axes.map((a) => a.index) }
        const [from, to] = omission === 'trailing' ? [p, shape.length] : [Math.min(p, q), Math.max(p, q)]
        const whole = (axis: number) => ({ index: ':', positions: range(0, shape[axis]!, 1), drop: false })
        const used = axes.map((a, axis) => (axis >= from && axis < to ? whole(axis) : a))
        const written = used.map((a) => a.index)
        const dots = omission === 'dots' ? ['...'] : []
        return { shape, axes: used, index: [...written.slice(0, from), ...dots, ...written.slice(to)] }
      }),
  )

/** The flat offsets that an access touches, in the order of the region, and the region's shape. */
function reference({ shape, axes }: Access): { offsets: number[]; shape: number[] } {
  const strides = stridesOf(shape)
  const offsets = axes.reduce(
    (list, { positions }, axis) => list.flatMap((offset) => positions.map((p) => offset + p * strides[axis]!)),
    [0],
  )
  return { offsets, shape: axes.flatMap(({ positions, drop }) => (drop ? [] : [positions.length])) }
}

const values = (shape: Shape) => Float64Array.from({ length: sizeOf(shape) }, (_, i) => i + 1)

describe('get and at', () => {
  it('read what NumPy reads', () => {
    fc.assert(
      fc.property(access(false), (a) => {
        const x = input('x', a.shape, 'float64')
        const region = x.get(...a.index)
        const expected = reference(a)
        expect(region.shape).toEqual(expected.shape)
        expect([...evaluate([region], new Map([[x, values(a.shape)]]))[0]!]).toEqual(expected.offsets.map((o) => o + 1))
      }),
      { numRuns: 500 },
    )
  })

  it('write the region and nothing else', () => {
    const writes = {
      set: (_: number, v: number) => v,
      add: (x: number, v: number) => x + v,
      sub: (x: number, v: number) => x - v,
      mul: (x: number, v: number) => x * v,
      div: (x: number, v: number) => x / v,
    }
    const kinds = fc.constantFrom(...(Object.keys(writes) as (keyof typeof writes)[]))
    fc.assert(
      fc.property(access(true), kinds, fc.boolean(), (a, kind, scalar) => {
        const x = input('x', a.shape, 'float64')
        const region = reference(a)
        const operand = (i: number) => (scalar ? 7 : -i - 2)
        const value = scalar
          ? 7
          : tensor(
              Float64Array.from(region.offsets, (_, i) => operand(i)),
              region.shape,
            )
        const expected = values(a.shape)
        const before = values(a.shape)
        region.offsets.forEach((offset, i) => {
          expected[offset] = writes[kind](before[offset]!, operand(i))
        })
        const written = x.at(...a.index)[kind](value)
        expect(written.shape).toEqual(a.shape)
        expect(evaluate([written], new Map([[x, before]]))[0]).toEqual(expected)
      }),
      { numRuns: 500 },
    )
  })

  it('broadcasts what is set, and applies functions', () => {
    const x = tensor([1, 2, 3, 4, 5, 6], [2, 3], 'float64')
    const run = (t: typeof x) => [...evaluate([t])[0]!]
    expect(run(x.at(':', '1:').set(tensor([8, 9], [2, 1], 'float64')))).toEqual([1, 8, 8, 4, 9, 9])
    expect(run(x.at(-1).apply((r) => r.square()))).toEqual([1, 2, 3, 16, 25, 36])
    expect(run(x.at(':', -1).mul(0))).toEqual([1, 2, 0, 4, 5, 0])
    expect(run(x.at(0, [2, 0]).get())).toEqual([3, 1])
  })

  it('gathers with an index tensor of any rank', () => {
    const x = tensor([1, 2, 3, 4, 5, 6], [2, 3], 'float64')
    const picked = x.get(1, tensor([2, 0, 1, 1], [2, 2], 'int64'))
    expect(picked.shape).toEqual([2, 2])
    expect([...evaluate([picked])[0]!]).toEqual([6, 4, 5, 5])
  })

  it('refuses what it cannot mean', () => {
    const x = input('x', [2, 3])
    expect(() => x.get(2)).toThrow('index 2 is outside axis 0 (size 2) of a tensor of shape [2, 3]')
    expect(() => x.get(0, [1, -4])).toThrow('index -4 is outside axis 1')
    expect(() => x.get(0.5)).toThrow('index 0.5 is outside axis 0')
    expect(() => x.get(0, 0, 0)).toThrow('3 indices for a tensor of 2 axes')
    expect(() => x.get('...', 0, '...')).toThrow("'...' is not a range")
    expect(() => x.get('last')).toThrow("'last' is not a range for axis 0; write ':', 'a:b' or 'a:b:step'")
    expect(() => x.get('::-1')).toThrow('step -1 of axis 0 must be at least 1')
    expect(() => x.at(5)).toThrow('index 5 is outside axis 0')
    expect(() => x.at(tensor([0], [1], 'int64')).set(1)).toThrow('positions to write must be numbers')
    expect(() => x.at(0).set(input('y', [4]))).toThrow('cannot be broadcast')
    expect(() => x.at(':').set(input('y', [3], 'float64'))).toThrow('the tensor is float32, the new values are float64')
  })
})
