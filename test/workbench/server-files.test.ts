import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { modelsInFolders } from '../../src/workbench/node/model-places.ts'
import { startWorkbenchServer } from '../../src/workbench/node/server.ts'
import type { ServedModels } from '../../src/workbench/service/served-models.ts'
import { playedJobProcess, shippedInduction, startTestServer, type TestServer } from '../support/workbench-server.ts'

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

let server: TestServer
/** A folder with the models `one` and, as the hub's cache lays them out, `two`. */
let models: string
beforeAll(async () => {
  models = await mkdtemp(join(tmpdir(), 'diopter-models-'))
  await mkdir(join(models, 'one'))
  for (const file of ['config.json', 'model.safetensors'])
    await symlink(join(shippedInduction.folder, file), join(models, 'one', file))
  const cached = join(models, 'models--a--two')
  await mkdir(join(cached, 'blobs'), { recursive: true })
  await mkdir(join(cached, 'snapshots', 'c0ffee'), { recursive: true })
  for (const file of ['config.json', 'model.safetensors']) {
    await writeFile(join(cached, 'blobs', file), await readFile(join(shippedInduction.folder, file)))
    await symlink(join('..', '..', 'blobs', file), join(cached, 'snapshots', 'c0ffee', file))
  }
  server = await startTestServer({
    shipped: [shippedInduction],
    folders: [models, join(cached, 'snapshots', 'c0ffee')],
  })
})
afterAll(async () => {
  await server?.close()
  await rm(models, { recursive: true })
})

describe('the page', () => {
  it('comes with the headers that give it threads and keep others out', async () => {
    const response = await fetch(`${server.site}/`)
    expect(await response.text()).toContain('<title>Workbench</title>')
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
      'cross-origin-resource-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
    })
    const policy = response.headers.get('content-security-policy')!
    expect(policy).toContain("default-src 'self'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toMatch(/script-src[^;]*'unsafe-(inline|eval)'/)
  })

  it('scripts have their type and are kept by what they are named; errors have the headers, too', async () => {
    const script = await fetch(`${server.site}/assets/page-1a2b.js?x=1`)
    expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8')
    expect(script.headers.get('cache-control')).toMatch(/immutable/)
    const missing = await fetch(`${server.site}/assets/page.js`)
    expect(missing.status).toBe(404)
    expect(missing.headers.get('cross-origin-embedder-policy')).toBe('require-corp')
  })

  it('is not sent again when it did not change', async () => {
    const { headers } = await fetch(`${server.site}/`)
    const again = await fetch(`${server.site}/`, { headers: { 'if-none-match': headers.get('etag')! } })
    expect([again.status, await again.text()]).toEqual([304, ''])
    const head = await fetch(`${server.site}/`, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([
      200,
      headers.get('content-length'),
      '',
    ])
  })
})

describe('models for the engine of the page', () => {
  const weights = '/models/induction-2l/model.safetensors'

  it('are listed with their files: shipped ones to the page, those of folders with the token', async () => {
    const open = (await (await fetch(`${server.site}/models.json`)).json()) as ServedModels
    expect(open.models.map(({ ref }) => ref)).toEqual(['induction-2l'])
    const [{ files }] = open.models as [ServedModels['models'][number]]
    const bytes = await readFile(join(shippedInduction.folder, 'model.safetensors'))
    expect(files.find(({ path }) => path === 'model.safetensors')).toEqual({
      path: 'model.safetensors',
      bytes: bytes.length,
      version: expect.any(String),
    })
    const all = (await (await server.ask('/models.json')).json()) as ServedModels
    expect(all.models.map(({ ref, origin }) => [ref, origin])).toEqual([
      ['induction-2l', 'shipped'],
      [`${models}/one`, 'folder'],
      [join(models, 'models--a--two/snapshots/c0ffee'), 'folder'],
    ])
  })

  it('are sent whole and by range', async () => {
    const bytes = await readFile(join(shippedInduction.folder, 'model.safetensors'))
    const get = async (range?: string, more = {}) => {
      const response = await fetch(`${server.site}${weights}`, { headers: range ? { range, ...more } : more })
      return {
        status: response.status,
        of: response.headers.get('content-range'),
        body: digest(Buffer.from(await response.arrayBuffer())),
      }
    }
    const size = bytes.length
    expect(await get()).toEqual({ status: 200, of: null, body: digest(bytes) })
    const parts: [string, number, number][] = [
      ['bytes=0-0', 0, 1],
      ['bytes=10-99', 10, 100],
      [`bytes=${size - 5}-`, size - 5, size],
      ['bytes=-7', size - 7, size],
      [`bytes=5-${size * 2}`, 5, size],
      [`bytes=-${size * 2}`, 0, size],
    ]
    for (const [range, begin, end] of parts) {
      const of = `bytes ${begin}-${end - 1}/${size}`
      expect(await get(range), range).toEqual({ status: 206, of, body: digest(bytes.subarray(begin, end)) })
    }
    for (const range of [`bytes=${size}-`, 'bytes=9-3', 'bytes=-0'])
      expect(await get(range), range).toMatchObject({ status: 416, of: `bytes */${size}` })
    for (const range of ['bytes=0-1,4-5', 'bytes=-', 'lines=1-2'])
      expect(await get(range), range).toEqual({ status: 200, of: null, body: digest(bytes) })
    // of a file that has changed since, a range makes no sense
    expect((await get('bytes=0-9', { 'if-range': '"other"' })).status).toBe(200)
  })

  it('links in a snapshot of the hub cache are followed, others are not', async () => {
    const file = (ref: string) => server.ask(`/models/${encodeURIComponent(ref)}/config.json`)
    expect(await (await file(join(models, 'models--a--two/snapshots/c0ffee'))).json()).toMatchObject({
      model_type: expect.any(String),
    })
    expect((await file(`${models}/one`)).status).toBe(404)
  })

  it('a download that is given up half-way leaves the server well', async () => {
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const { body } = await fetch(`${server.site}${weights}`)
        await body?.cancel()
      }),
    )
    expect((await fetch(`${server.site}/`)).status).toBe(200)
  })
})

describe('starting', () => {
  it.each<[string, () => Promise<unknown>, RegExp]>([
    ['a page that is not built', () => startWorkbenchServer({ page: models }), /page is not at .*npm start/],
    [
      'a job process that is not built',
      () => startTestServer({ jobEntry: join(models, 'job.js') }),
      /job process is not at .*npm run build/,
    ],
    ['a folder that is not there', () => modelsInFolders(['./nowhere']), /There is no folder \.\/nowhere/],
    ['a folder without models', () => modelsInFolders(['src']), /src holds no model/],
    [
      'a port that is taken',
      () => startTestServer({ port: server.port }),
      /port \d+ is taken by another program.*Choose another --port/,
    ],
  ])('%s is a sentence', async (_, start, sentence) => {
    await expect(start()).rejects.toMatchObject({ name: 'DiopterError', message: expect.stringMatching(sentence) })
  })

  it('without a port the next free one is taken', async () => {
    const options = { page: join(server.folder, 'page'), jobEntry: playedJobProcess }
    const [first, second] = [await startWorkbenchServer(options), await startWorkbenchServer(options)]
    expect(second.port).toBeGreaterThan(first.port)
    expect(first.address).toBe(`http://127.0.0.1:${first.port}/#token=${first.token}`)
    await first.close()
    await second.close()
  })

  it('a folder that is listed twice is offered once', async () => {
    const refs = (await modelsInFolders([`${models}/one/`, models, `${models}/`])).map(({ ref }) => ref)
    expect(refs).toEqual([`${models}/one`])
  })
})
