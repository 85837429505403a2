import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildHostProcess } from '../../../test/support/host-process.ts'
import { einsum, input, type Shape, sizeOf, tensor } from '../../tensor/index.ts'
import { type Backend, Engine, type TensorValue } from '../index.ts'
import { createNodeBackend } from './backend.ts'
import { createHostedBackend } from './hosted-backend.ts'

const hasCuda = existsSync(
  fileURLToPath(
    new URL(
      '../../../node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so',
      import.meta.url,
    ),
  ),
)

let host: Awaited<ReturnType<typeof buildHostProcess>>
const backends: Backend[] = []
beforeAll(async () => {
  host = await buildHostProcess()
})
afterAll(async () => {
  for (const backend of backends) await backend.dispose()
  await host.remove()
})

function hosted(entry = host.entry) {
  const backend = createHostedBackend({ entry, threads: 1 })
  backends.push(backend)
  return { backend, engine: new Engine({ backend }) }
}

/** A host process that notes its start and every run that begins in it, so that a test can abort in the middle of one. */
async function watchedEntry() {
  const folder = await mkdtemp(join(dirname(host.entry), 'watched-'))
  const [entry, log] = [join(folder, 'entry.mjs'), join(folder, 'log')]
  await writeFile(log, '')
  await writeFile(
    entry,
    `import { appendFileSync } from 'node:fs'
     const note = (text) => appendFileSync(${JSON.stringify(log)}, text)
     note('start ')
     await import(${JSON.stringify(host.entry)})
     process.prependListener('message', ({ request }) => request.kind === 'run' && note('run '))`,
  )
  return { entry, events: () => readFile(log, 'utf8') }
}

const ramp = (shape: Shape, scale: number): TensorValue => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from({ length: sizeOf(shape) }, (_, i) => scale * Math.sin(i)),
})

/** Two layers over stored weights, with a lifted constant between. */
const layers = () => {
  const hidden = einsum('bpd,dh->bph', input('x', [2, 3, 16]), input('W_in', [16, 32])).gelu('tanh')
  return einsum('bph,hd->bpd', hidden.mul(1.5), input('W_out', [32, 16]))
}
const feeds = { x: ramp([2, 3, 16], 1) }
const storeModel = async (backend: Backend) =>
  new Map([
    ['W_in', await backend.store(ramp([16, 32], 1))],
    ['W_out', await backend.store(ramp([32, 16], 2))],
  ])

/** A second and more of products on one thread: long enough that nothing here depends on how fast the machine is. */
const LONG = 1024
const long = () => {
  let x = input('x', [LONG, LONG]).mul(0)
  for (let i = 0; i < 40; i++) x = x.matmul(x).add(i)
  return x.sum()
}
const longFeeds = { x: ramp([LONG, LONG], 1) }

/** Starts a long run and waits until it computes; the result kills it with the reason given. */
async function startLong(engine: Engine, events: () => Promise<string>) {
  const before = await events()
  const controller = new AbortController()
  const running = engine.evaluate([long()], longFeeds, { signal: controller.signal })
  await expect.poll(async () => (await events()).slice(before.length), { timeout: 30_000 }).toContain('run ')
  return async (reason: Error) => {
    controller.abort(reason)
    await expect(running).rejects.toBe(reason)
  }
}

describe('the hosted backend', () => {
  it('gives the numbers of the in-process backend, fed and resident, of every dtype', async () => {
    const [{ backend, engine }, inProcess] = [hosted(), createNodeBackend({ threads: 1 })]
    const plain = new Engine({ backend: inProcess })
    expect(backend).toMatchObject({ name: 'onnxruntime-node cpu in a child process', blocking: false })
    const [here, there] = [await storeModel(inProcess), await storeModel(backend)]
    for (const residency of ['inputs', 'resident', 'auto'] as const) {
      const expected = await plain.evaluate([layers()], feeds, { weights: here, residency })
      expect(await engine.evaluate([layers()], feeds, { weights: there, residency })).toEqual(expected)
    }
    const kinds = (['float64', 'float16', 'int32', 'int64', 'bool'] as const).map((dtype) =>
      input('x', [2, 3, 16]).cast(dtype),
    )
    expect(await engine.evaluate(kinds, feeds)).toEqual(await plain.evaluate(kinds, feeds))
    expect((await backend.read(there.get('W_in')!)).data).toEqual(ramp([16, 32], 1).data)
    await plain.dispose()
  })

  it('sends tensors beyond one piece', async () => {
    const { backend, engine } = hosted()
    const n = 2 ** 23 + 5 // a little more than 32 MB
    const stored = await backend.store(ramp([n], 1))
    const ends = input('W', [n]).get([0, 1, -2, -1])
    const [values] = await engine.evaluate([ends], {}, { weights: new Map([['W', stored]]), residency: 'inputs' })
    expect([...(values!.data as Float32Array)]).toEqual([0, 1, n - 2, n - 1].map((i) => Math.fround(Math.sin(i))))
  })

  it('leaves the event loop free during a run', async () => {
    const { engine } = hosted()
    let ticks = 0
    const timer = setInterval(() => ticks++, 5)
    await engine.evaluate([long()], longFeeds)
    clearInterval(timer)
    expect(ticks).toBeGreaterThan(20)
  })

  it('an aborted signal kills the run; other work and the next run go on', async () => {
    const { entry, events } = await watchedEntry()
    const { backend, engine } = hosted(entry)
    const weights = await storeModel(backend)
    const program = engine.compile([layers()], { weights, residency: 'resident' })
    const expected = await program.run(feeds)
    for (let i = 0; i < 3; i++) {
      const killed = await startLong(engine, events)
      const waiting = program.run(feeds)
      await killed(new Error(`enough of ${i}`))
      expect(await waiting).toEqual(expected)
      expect(await program.run(feeds)).toEqual(expected)
      expect(await engine.evaluate([layers()], feeds, { weights, residency: 'inputs' })).toEqual(expected)
    }
    expect(engine.statistics.compiles).toBe(3) // sessions are made again behind the engine's back
    expect((await events()).match(/start/g)).toHaveLength(4)
  })

  it('starts no child before there is work for it, nor after a kill', async () => {
    const { entry, events } = await watchedEntry()
    const { engine } = hosted(entry)
    expect(await events()).toBe('')
    const killed = await startLong(engine, events)
    await killed(new Error('enough'))
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(await events()).toBe('start run ')
    await engine.evaluate([tensor([2]).square()])
    expect(await events()).toBe('start run start run ')
  })

  it('a resident session survives a restart after its tensors were released', async () => {
    const { entry, events } = await watchedEntry()
    const { backend, engine } = hosted(entry)
    const weights = await storeModel(backend)
    const program = engine.compile([layers()], { weights, residency: 'resident' })
    const expected = await program.run(feeds)
    for (const stored of weights.values()) await backend.release(stored)
    const killed = await startLong(engine, events)
    await killed(new Error('enough'))
    expect(await program.run(feeds)).toEqual(expected)
  })

  it('an error in the child is the error of the run, and the child goes on', async () => {
    const { engine } = hosted()
    const outside = tensor([1, 2, 3]).gather(tensor([7], [1], 'int64'))
    await expect(engine.evaluate([outside])).rejects.toThrow(/out of data bounds/)
    const [y] = await engine.evaluate([tensor([2]).square()])
    expect(y!.data).toEqual(Float32Array.of(4))
  })

  it('a child that ends by itself is a clear error, and the next run starts another', async () => {
    const entry = join(dirname(host.entry), 'ends.mjs')
    await writeFile(
      entry,
      "process.on('message', (m) => m.request.kind === 'run' ? process.exit(7) : process.send({ id: m.id, result: undefined }))",
    )
    const backend = createHostedBackend({ entry })
    const engine = new Engine({ backend })
    for (let i = 0; i < 2; i++)
      await expect(engine.evaluate([tensor([2]).square()])).rejects.toThrow(
        'The process that hosts the engine exited with code 7; what it was doing is lost',
      )
    await backend.dispose()
    await expect(engine.evaluate([tensor([2]).square()])).rejects.toThrow('was disposed')
  })

  it('an entry that is not there is a clear error', () => {
    expect(() => createHostedBackend({ entry: '/nowhere/host-process.js' })).toThrow(/not at \/nowhere.*npm run build/)
  })

  it.skipIf(hasCuda)('a provider that is not there is a clear error (skipped where CUDA is installed)', async () => {
    const engine = new Engine({ backend: createHostedBackend({ entry: host.entry, provider: 'cuda' }) })
    await expect(engine.evaluate([tensor([2]).square()])).rejects.toThrow(/provider 'cuda' was asked for and does not/)
    await engine.dispose()
  })

  it('the child ends with its parent, also when that is killed', async () => {
    const script = join(dirname(host.entry), 'parent.mjs')
    await writeFile(
      script,
      `import { fork } from 'node:child_process'
       const child = fork(${JSON.stringify(host.entry)}, { serialization: 'advanced' })
       child.on('message', () => console.log(child.pid))
       child.send({ id: 0, request: { kind: 'start', options: {} } })`,
    )
    const parent = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = (await once(parent.stdout!, 'data')) as [Buffer]
    const child = Number(line.toString())
    process.kill(child, 0) // it lives
    parent.kill('SIGKILL')
    await expect.poll(() => isAlive(child), { timeout: 20_000 }).toBe(false)
  })

  it('memory stays flat over restarts', async () => {
    const { entry, events } = await watchedEntry()
    const { backend, engine } = hosted(entry)
    const stored = await backend.store(ramp([2 ** 20], 1)) // 4 MB, sent again after every restart
    const sum = input('W', [2 ** 20])
      .square()
      .sum()
    const cycle = async () => {
      await engine.evaluate([sum], {}, { weights: new Map([['W', stored]]), residency: 'inputs' })
      const killed = await startLong(engine, events)
      await killed(new Error('enough'))
    }
    for (let i = 0; i < 3; i++) await cycle()
    const before = process.memoryUsage().rss
    for (let i = 0; i < 10; i++) await cycle()
    // A kept copy of what is sent would be 13 MB for every cycle.
    expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(60)
  })
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
