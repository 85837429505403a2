import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { einsum, input, type Shape, sizeOf, type Tensor, tensor } from '../tensor/index.ts'
import { type Backend, Engine, type StoredTensor, type TensorValue } from './index.ts'
import { createNodeBackend } from './node/backend.ts'

const backend = createNodeBackend({ threads: 2 })
let engine: Engine
beforeEach(() => {
  engine = new Engine({ backend })
})
afterAll(() => backend.dispose())

const value = (shape: Shape, fill: number): TensorValue => ({
  dtype: 'float32',
  shape,
  data: new Float32Array(sizeOf(shape)).fill(fill),
})

const ramp = (shape: Shape, scale: number): TensorValue => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from({ length: sizeOf(shape) }, (_, i) => scale * Math.sin(i + scale)),
})

/** x W + b through two layers, over weights of a model: enough for a resident session to pack. */
const layers = () => {
  const x = input('x', [2, 3, 16])
  const hidden = einsum('bpd,dh->bph', x, input('W_in', [16, 32])).gelu('tanh')
  return einsum('bph,hd->bpd', hidden, input('W_out', [32, 16])).add(input('b', [16]))
}

async function storeModel(scale: number, on: Backend = backend): Promise<Map<string, StoredTensor>> {
  return new Map([
    ['W_in', await on.store(ramp([16, 32], scale))],
    ['W_out', await on.store(ramp([32, 16], scale))],
    ['b', await on.store(ramp([16], scale))],
  ])
}

const feeds = { x: ramp([2, 3, 16], 1) }
const numbers = (values: readonly TensorValue[]) => values.map(({ data }) => [...(data as Float32Array)])

describe('the session cache', () => {
  it('other values of lifted constants, and other traces of the same graph, never recompile', async () => {
    const scaled = (factor: number, offset: number) =>
      input('x', [3])
        .mul(factor)
        .add(tensor([offset, 0, offset]))
    for (let i = 0; i < 5; i++) {
      const [y] = await engine.evaluate([scaled(i, -i)], { x: value([3], 2) })
      expect(y!.data).toEqual(Float32Array.of(i, 2 * i, i))
    }
    expect(engine.statistics).toMatchObject({ compiles: 1, runs: 5, sessions: 1 })
  })

  it('other structure, shape or dtype is another session', async () => {
    const x = input('x', [4])
    const graphs: Tensor[] = [x.exp(), x.exp().neg(), x.slice(0, 0, 2).exp(), x.slice(0, 1, 3).exp(), x.reshape(2, 2)]
    for (const graph of graphs) await engine.evaluate([graph], { x: value([4], 1) })
    await engine.evaluate([input('x', [2, 2]).exp()], { x: value([2, 2], 1) })
    await engine.evaluate([input('y', [4]).exp()], { y: value([4], 1) })
    expect(engine.statistics.compiles).toBe(7)
  })

  it('runs at the same time share one compilation', async () => {
    const runs = Array.from({ length: 8 }, (_, i) =>
      engine.evaluate([input('x', [3]).mul(i).tanh()], { x: value([3], 1) }),
    )
    const results = await Promise.all(runs)
    results.forEach(([y], i) => {
      expect(y!.data[0]).toBeCloseTo(Math.tanh(i), 5)
    })
    expect(engine.statistics.compiles).toBe(1)
  })

  it('is bounded by bytes: the least recently used session goes first, a held one never', async () => {
    const graph = (n: number) => input('x', [n]).exp()
    const run = (n: number) => engine.evaluate([graph(n)], { x: value([n], 0) })
    await run(1)
    const one = engine.statistics.sessionBytes
    engine = new Engine({ backend, cacheBytes: 3.5 * one })
    const held = engine.compile([graph(1)])
    await held.run({ x: value([1], 0) })
    await run(2)
    await run(3)
    await run(2) // now 3 is the least recently used
    await run(4)
    expect(engine.statistics).toMatchObject({ compiles: 4, sessions: 3 })
    expect(engine.statistics.sessionBytes).toBeLessThanOrEqual(3.5 * one)
    await run(2)
    await held.run({ x: value([1], 0) })
    expect(engine.statistics.compiles).toBe(4) // both were kept
    await run(3)
    expect(engine.statistics.compiles).toBe(5)
    held.release()
    for (const n of [5, 6, 7, 1]) await run(n)
    expect(engine.statistics).toMatchObject({ compiles: 9, sessions: 3 }) // once released, it went like the others
  })

  it('counts what sessions keep for intermediate values', async () => {
    engine = new Engine({ backend, cacheBytes: 20 * 2 ** 20 })
    // two values of 4 MB are alive at once, however many follow one another
    const run = (n: number) =>
      engine.evaluate(
        [
          input('x', [2 ** 20 + n])
            .exp()
            .neg()
            .exp()
            .neg()
            .sum(),
        ],
        { x: value([2 ** 20 + n], 0) },
      )
    await run(0)
    expect(engine.statistics.sessionBytes).toBeGreaterThan(8 * 2 ** 20)
    expect(engine.statistics.sessionBytes).toBeLessThan(9 * 2 ** 20)
    for (const n of [1, 2, 3]) await run(n)
    expect(engine.statistics).toMatchObject({ compiles: 4, sessions: 2 })
  })

  it('a session without an arena is another one, gives the same, and counts none', async () => {
    const size = 2 ** 20
    const run = (arena: boolean) =>
      engine.evaluate([input('x', [size]).exp().neg().sum()], { x: value([size], 0) }, { arena })
    const results = [await run(false), await run(false)]
    expect(engine.statistics).toMatchObject({ compiles: 1, sessions: 1 })
    expect(engine.statistics.sessionBytes).toBeLessThan(2 ** 20)
    results.push(await run(true))
    expect(engine.statistics).toMatchObject({ compiles: 2, sessions: 2 })
    // one value of 4 MB
    expect(engine.statistics.sessionBytes).toBeGreaterThan(4 * 2 ** 20)
    for (const [sum] of results) expect(sum!.data[0]).toBe(-size)
  })

  it('a session that is evicted while it runs ends its run, and is made again for the next one', async () => {
    engine = new Engine({ backend, cacheBytes: 0 })
    const graph = (n: number) => input('x', [n]).exp().sum()
    const results = await Promise.all(
      Array.from({ length: 40 }, (_, i) => engine.evaluate([graph(1 + (i % 5))], { x: value([1 + (i % 5)], 0) })),
    )
    results.forEach(([y], i) => {
      expect(y!.data[0]).toBe(1 + (i % 5))
    })
    expect(engine.statistics.sessions).toBe(1)
  })

  it('a program that was released, or whose engine is disposed during its run, is safe', async () => {
    const own = new Engine({ backend: createNodeBackend({ threads: 1 }) })
    const program = own.compile([
      input('x', [300, 300])
        .matmul(input('x', [300, 300]))
        .sum(),
    ])
    const running = [program.run({ x: value([300, 300], 1) }), program.run({ x: value([300, 300], 1) })]
    program.release()
    await new Promise((resolve) => setTimeout(resolve, 1))
    const disposed = own.dispose()
    const [first, second] = await Promise.allSettled(running)
    await disposed
    for (const result of [first!, second!]) {
      if (result.status === 'fulfilled') expect(result.value[0]!.data[0]).toBe(300 ** 3)
      else expect(String(result.reason)).toContain('disposed')
    }
    await expect(program.run({ x: value([300, 300], 1) })).rejects.toThrow('disposed')
  })
})

describe('where weights live', () => {
  it.each(['inputs', 'resident', 'auto'] as const)(
    "residency '%s' compiles as often as it should",
    async (residency) => {
      const program = engine.compile([layers()], { weights: await storeModel(1), residency })
      const first = numbers(await program.run(feeds))
      for (let i = 0; i < 6; i++) {
        const [again] = numbers(await program.run(feeds))
        again!.forEach((y, k) => {
          expect(Math.abs(y - first[0]![k]!)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(y)))
        })
      }
      // fed for three runs, then resident, and the fed session is given back
      expect(engine.statistics).toMatchObject({ compiles: residency === 'auto' ? 2 : 1, runs: 7, sessions: 1 })
    },
  )

  it('resident equals fed', async () => {
    const weights = await storeModel(1)
    const [fed] = numbers(await engine.evaluate([layers()], feeds, { weights, residency: 'inputs' }))
    const [resident] = numbers(await engine.evaluate([layers()], feeds, { weights, residency: 'resident' }))
    fed!.forEach((y, k) => {
      expect(Math.abs(y - resident![k]!)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(y)))
    })
    expect(engine.statistics.compiles).toBe(2)
  })

  it('a large batch stays on fed weights', async () => {
    const x = input('x', [600, 4])
    const graph = x.matmul(input('W', [4, 4]))
    const weights = new Map([['W', await backend.store(value([4, 4], 1))]])
    for (let i = 0; i < 6; i++) await engine.evaluate([graph], { x: value([600, 4], 1) }, { weights })
    expect(engine.statistics.compiles).toBe(1)
  })

  it('never mixes the weights of two models of equal structure, before, during and after promotion', async () => {
    const [a, b] = [await storeModel(1), await storeModel(3)]
    const expected = new Map(
      await Promise.all(
        [a, b].map(async (weights) => {
          const plain = new Engine({ backend })
          return [weights, numbers(await plain.evaluate([layers()], feeds, { weights, residency: 'inputs' }))] as const
        }),
      ),
    )
    expect(expected.get(a)).not.toEqual(expected.get(b))
    const check = async (weights: Map<string, StoredTensor>) => {
      const [actual] = numbers(await engine.evaluate([layers()], feeds, { weights }))
      actual!.forEach((y, k) => {
        const other = expected.get(weights)![0]![k]!
        expect(Math.abs(y - other)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(other)))
      })
    }
    for (let i = 0; i < 6; i++) await check(a)
    for (let i = 0; i < 10; i++) await check(i % 3 === 0 ? a : b)
    await Promise.all(Array.from({ length: 10 }, (_, i) => check(i % 2 === 0 ? a : b)))
    expect(engine.statistics.compiles).toBeLessThanOrEqual(4) // fed and resident for each at most
  })
})

describe('what is fed', () => {
  const program = () => engine.compile([input('x', [2]).add(input('y', [2]))])

  it.each([
    ['missing', { x: value([2], 1) }, /needs a value for its input 'y' \[2\]/],
    [
      'unknown',
      { x: value([2], 1), y: value([2], 1), z: value([2], 1) },
      /'z' is no input of this graph; it has: x, y/,
    ],
    [
      'of another shape',
      { x: value([2], 1), y: value([3], 1) },
      /'y' is float32 \[3\]; the graph expects float32 \[2\]/,
    ],
    [
      'of another dtype',
      { x: value([2], 1), y: { dtype: 'int32' as const, shape: [2], data: new Int32Array(2) } },
      /'y' is int32 \[2\]; the graph expects float32/,
    ],
    ['of too few values', { x: value([2], 1), y: { ...value([2], 1), data: new Float32Array(1) } }, /holds 1 elements/],
    ['in an array of another dtype', { x: value([2], 1), y: { ...value([2], 1), data: new Int32Array(2) } }, /int32/],
  ])('a feed that is %s is an error that says so', async (_, given, message) => {
    await expect(program().run(given)).rejects.toThrow(message)
    const [sum] = await program().run({ x: value([2], 1), y: value([2], 2) }) // the engine goes on
    expect(sum!.data).toEqual(Float32Array.of(3, 3))
  })

  it('a weight of another type, or fed as well, is an error', async () => {
    const weights = new Map([['W', await backend.store(value([3], 1))]])
    expect(() => engine.compile([input('W', [2]).exp()], { weights })).toThrow(
      /'W' is float32 \[3\]; the graph expects/,
    )
    expect(() => engine.compile([input('W', [3], 'int32').neg()], { weights })).toThrow(/expects int32/)
    const both = engine.compile([input('W', [3]).exp()], { weights })
    await expect(both.run({ W: value([3], 2) })).rejects.toThrow(/one of this program's weights/)
  })

  it('an input that the passes removed may still be fed', async () => {
    const graph = input('x', [4])
      .pad([0], [2])
      .slice(0, 4, 6)
      .add(input('y', [2]))
    const [y] = await engine.evaluate([graph], { x: value([4], 1), y: value([2], 5) })
    expect(y!.data).toEqual(Float32Array.of(5, 5))
  })

  it('a stored tensor that was released is an error', async () => {
    const weights = new Map([['W', await backend.store(value([3], 1))]])
    const graph = input('W', [3]).exp()
    await engine.evaluate([graph], {}, { weights })
    await backend.release(weights.get('W')!)
    await expect(engine.evaluate([graph], {}, { weights })).rejects.toThrow(/released, or belongs to another backend/)
  })
})

describe('outputs', () => {
  it('may be inputs, constants, repeated, empty, and of every dtype', async () => {
    const x = input('x', [2])
    const outputs = [x, x, x.add(1), tensor([7], [1], 'int64'), x.less(5), x.slice(0, 0, 0), x.cast('float16')]
    const results = await engine.evaluate(outputs, { x: value([2], 1) })
    expect(results.map(({ data }) => data)).toEqual([
      Float32Array.of(1, 1),
      Float32Array.of(1, 1),
      Float32Array.of(2, 2),
      BigInt64Array.of(7n),
      Uint8Array.of(1, 1),
      new Float32Array(0),
      Uint16Array.of(0x3c00, 0x3c00),
    ])
  })
})

describe('cancelling', () => {
  it('acts before a run and between runs, with the reason given', async () => {
    const program = engine.compile([input('x', [2]).exp()])
    const controller = new AbortController()
    await program.run({ x: value([2], 1) }, { signal: controller.signal })
    const pending = Array.from({ length: 5 }, () => program.run({ x: value([2], 1) }, { signal: controller.signal }))
    controller.abort(new Error('enough'))
    const outcomes = await Promise.allSettled(pending)
    expect(outcomes.every((outcome) => outcome.status === 'rejected' && outcome.reason.message === 'enough')).toBe(true)
    await expect(program.run({ x: value([2], 1) }, { signal: controller.signal })).rejects.toThrow('enough')
    expect(engine.statistics.runs).toBe(1)
    await program.run({ x: value([2], 1) })
  })
})
