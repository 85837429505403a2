import { expect, it } from 'vitest'
import { heldBytes } from '../../test/support/memory.ts'
import { einsum, input, type Shape, sizeOf } from '../tensor/index.ts'
import { Engine, type TensorValue } from './index.ts'
import { createNodeBackend } from './node/backend.ts'

const value = (shape: Shape): TensorValue => ({
  dtype: 'float32',
  shape,
  data: new Float32Array(sizeOf(shape)).fill(0.5),
})

const megabytes = () => heldBytes() / 2 ** 20

/** A two-layer graph with 1 MB of weights and 64 KB of outputs. */
const graph = (rows: number) => {
  const x = input('x', [rows, 256])
  const hidden = einsum('pd,dh->ph', x, input('W_in', [256, 512])).gelu('tanh')
  return einsum('ph,hd->pd', hidden, input('W_out', [512, 256]))
}

it('memory stays flat over 10,000 runs', async () => {
  const backend = createNodeBackend({ threads: 1 })
  const engine = new Engine({ backend })
  const weights = new Map([
    ['W_in', await backend.store(value([256, 512]))],
    ['W_out', await backend.store(value([512, 256]))],
  ])
  const x = value([4, 256])
  const program = engine.compile([graph(4)], { weights })
  const run = async (count: number) => {
    for (let i = 0; i < count; i++) await program.run({ x })
  }
  await run(1000)
  const before = megabytes()
  await run(10_000)
  // 10,000 outputs of 4 KB and their wrappers are 40 MB and more if they are kept.
  expect(megabytes() - before).toBeLessThan(30)
  await engine.dispose()
}, 60_000)

it('memory stays flat over 300 compile and release cycles', async () => {
  const backend = createNodeBackend({ threads: 1 })
  const engine = new Engine({ backend, cacheBytes: 0 })
  const weights = new Map([
    ['W_in', await backend.store(value([256, 512]))],
    ['W_out', await backend.store(value([512, 256]))],
  ])
  const cycle = async (i: number) => {
    const rows = 1 + (i % 40)
    await engine.evaluate([graph(rows)], { x: value([rows, 256]) }, { weights, residency: 'resident' })
  }
  for (let i = 0; i < 60; i++) await cycle(i)
  const before = megabytes()
  for (let i = 0; i < 300; i++) await cycle(i)
  expect(engine.statistics).toMatchObject({ compiles: 360, sessions: 1 })
  // 300 resident sessions hold 1 MB of weights each, and as much packed.
  expect(megabytes() - before).toBeLessThan(60)
  await engine.dispose()
}, 60_000)
