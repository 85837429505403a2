import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../test/support/evaluate.ts'
import { apply, concat, constant, full, input, type PrimitiveName, Tensor, tensor } from './index.ts'

const x = input('x', [2, 3], 'float64')
const one = (value: number) => constant(value, 'float64')

describe('trivial forms collapse while tracing', () => {
  const same: [string, Tensor][] = [
    ['reshape to the same shape', x.reshape(2, 3)],
    ['reshape there and back', x.reshape(6).reshape(3, 2).reshape(2, 3)],
    ['transpose twice', x.transpose().transpose()],
    ['broadcast to the same shape', x.broadcast(2, 3)],
    ['cast to the same dtype', x.cast('float64')],
    ['slice of everything', x.slice(1, 0)],
    ['region of everything', x.get(':', '...')],
    ['pad with nothing', x.pad([0, 0], [0, 0])],
    ['concat of one', concat([x])],
    ['concat with empty parts', concat([x.slice(0, 0, 0), x, x.slice(0, 2)])],
    ['neg twice', x.neg().neg()],
    ['add 0', x.add(one(0))],
    ['0 add', one(0).add(x)],
    ['sub 0', x.sub(one(0))],
    ['mul 1', x.mul(one(1))],
    ['1 mul', one(1).mul(x)],
    ['div 1', x.div(one(1))],
    ['pow 1', x.pow(one(1))],
    ['add zeros', x.add(full([2, 3], 0, 'float64'))],
  ]
  it.each(same)('%s', (_, traced) => expect(traced).toBe(x))
  it('stop_gradient of itself', () => {
    const stopped = x.stopGradient()
    expect(stopped.stopGradient()).toBe(stopped)
  })
  it('a lifted number never collapses, so that another value is the same graph', () => {
    expect(x.add(0).op).toBe('add')
    expect(x.mul(1).op).toBe('mul')
  })
  it('a broadcast before an elementwise op goes, unless it makes the shape', () => {
    const row = input('row', [3], 'float64')
    expect(row.broadcast(2, 3).mul(x).inputs).toEqual([row, x])
    expect(
      row
        .broadcast(4, 2, 3)
        .mul(x)
        .inputs.map((t) => t.op),
    ).toEqual(['broadcast', 'input'])
    expect(row.broadcast(2, 3).square().shape).toEqual([2, 3])
  })
  it('a pinned tensor is not looked through', () => {
    const pinned = x.transpose().pin()
    expect(pinned.transpose().inputs).toEqual([pinned])
    expect(pinned.pin()).toBe(pinned)
    expect(x.pin()).toBe(x)
    expect(x.neg().pin().neg().op).toBe('neg')
    expect(x.reshape(6).pin().reshape(2, 3).op).toBe('reshape')
    expect(one(0).pin().add(x).op).toBe('add')
  })
})

describe('simplification keeps values, shapes and dtypes', () => {
  type Step = (t: Tensor) => [PrimitiveName, Tensor[], Record<string, number | number[] | string>]
  // Each step traces one primitive on t; all keep 6 elements or grow them by at most 2x.
  const steps: Step[] = [
    (t) => ['reshape', [t], { shape: [t.size] }],
    (t) => ['reshape', [t], { shape: [2, t.size / 2] }],
    (t) => ['reshape', [t], { shape: [...t.shape] }],
    (t) => ['transpose', [t], { permutation: t.shape.map((_, i) => t.rank - 1 - i) }],
    (t) => ['transpose', [t], { permutation: t.shape.map((_, i) => (i + 1) % t.rank) }],
    (t) => ['broadcast', [t], { shape: [...t.shape] }],
    (t) => ['broadcast', [t], { shape: [2, ...t.shape] }],
    (t) => ['neg', [t], {}],
    (t) => ['add', [t, one(0)], {}],
    (t) => ['sub', [t, one(0)], {}],
    (t) => ['sub', [one(0), t], {}],
    (t) => ['mul', [one(1), t], {}],
    (t) => ['div', [t, one(1)], {}],
    (t) => ['div', [one(1), t], {}],
    (t) => ['pow', [t, one(1)], {}],
    (t) => ['mul', [t, tensor([1, 2], [2, ...t.shape.map(() => 1)], 'float64')], {}],
    (t) => ['maximum', [t, tensor([0.5], [], 'float64')], {}],
    (t) => ['stop_gradient', [t], {}],
    (t) => ['cast', [t], { dtype: 'float64' }],
    (t) => ['slice', [t], { starts: t.shape.map(() => 0), ends: [...t.shape], steps: t.shape.map(() => 1) }],
    (t) => ['pad', [t], { low: t.shape.map(() => 0), high: t.shape.map(() => 0), value: 3 }],
    (t) => ['concat', [t], { axis: 0 }],
  ]
  it('on random chains', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...steps), { minLength: 1, maxLength: 7 }), (chain) => {
        let plain: Tensor = x
        let simplified: Tensor = x
        for (const step of chain) {
          plain = new Tensor(...step(plain))
          simplified = apply(...step(simplified))
        }
        expect([simplified.shape, simplified.dtype]).toEqual([plain.shape, plain.dtype])
        const [a, b] = evaluate([plain, simplified], new Map([[x, [1, -2, 3, 4, 5, -6]]]))
        expect([...b!]).toEqual([...a!])
      }),
      { numRuns: 500 },
    )
  })
})
