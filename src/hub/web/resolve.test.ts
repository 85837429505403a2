import { existsSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Browser, chromium, type Page } from 'playwright-core'
import ts from 'typescript'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type HubServer, startHubServer } from '../node/hub-server.fixture.ts'
import { writeSafetensors } from '../safetensors-write.ts'

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
const root = new URL('../../../', import.meta.url)
const commit = 'a'.repeat(40)
const weights = writeSafetensors({
  w: { dtype: 'F32', shape: [50_000], data: Float32Array.from({ length: 50_000 }, (_, i) => i) },
})
/** Where a bundler would find the packages that the hub's own package needs in a browser. */
const packages = {
  '@huggingface/hub': 'dist/browser/index.mjs',
  '@huggingface/xetchunk-wasm': 'dist/esm/index.js',
  '@huggingface/blake3-jit': 'dist/esm/index.js',
  'gearhash-jit': 'dist/esm/index.js',
}
const importMap = JSON.stringify({
  imports: Object.fromEntries(Object.entries(packages).map(([name, file]) => [name, `/node_modules/${name}/${file}`])),
})

/** Serves the project as plain JavaScript modules at an origin that browsers trust with storage. */
function servePage(): Server {
  return createServer((request, response) => {
    const path = request.url!.slice(1)
    const file = new URL(path, root)
    if (path === '') {
      return response.setHeader('content-type', 'text/html').end(`<script type="importmap">${importMap}</script>`)
    }
    if (!existsSync(file)) return response.writeHead(404).end()
    const text = readFileSync(file, 'utf8')
    const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext }
    const body = path.endsWith('.ts') ? ts.transpileModule(text, { compilerOptions }).outputText : text
    return response.setHeader('content-type', 'text/javascript').end(body)
  })
}

/** Resolves the model in the page and says what came of it. */
const script = `async (options) => {
  const { resolveModel } = await import('/src/hub/web/resolve.ts')
  const { openCheckpoint } = await import('/src/hub/checkpoint.ts')
  const reports = []
  try {
    const model = await resolveModel('owner/tiny', { ...options, onProgress: (report) => reports.push(report) })
    const values = await (await openCheckpoint(model.source)).readFloat32('w')
    const right = values.length === 50000 && values.every((value, i) => value === i)
    return { right, files: model.source.files.toSorted(), revision: model.revision, note: model.note, last: reports.at(-1) ?? null }
  } catch (error) {
    return { error: error.message }
  }
}`

interface Outcome {
  readonly right?: boolean
  readonly files?: string[]
  readonly revision?: string
  readonly note?: string | null
  readonly last?: { done: number; total: number } | null
  readonly error?: string
}

describe.skipIf(!existsSync(executablePath))('hub models in a page (needs Chromium; set CHROMIUM to its path)', () => {
  let pages: Server
  let browser: Browser
  let page: Page
  let server: HubServer
  beforeAll(async () => {
    pages = servePage()
    await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve))
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
  })
  afterAll(async () => {
    await browser?.close()
    await new Promise((resolve) => pages.close(resolve))
  })
  beforeEach(async () => {
    server = await startHubServer(
      'owner/tiny',
      {
        'config.json': new TextEncoder().encode('{"model_type":"gpt2"}'),
        'tokenizer.json': new TextEncoder().encode('{}'),
        'model.safetensors': weights,
      },
      commit,
    )
    page = await (await browser.newContext()).newPage()
    await page.goto(`http://127.0.0.1:${(pages.address() as AddressInfo).port}/`)
    return async () => {
      await page.context().close()
      await server.close()
    }
  })
  const resolve = (options: object = {}): Promise<Outcome> =>
    page.evaluate(`(${script})(${JSON.stringify({ endpoint: server.endpoint, ...options })})`)

  test('downloads into private storage, then needs no network', async () => {
    const first = await resolve()
    const total = weights.length + '{"model_type":"gpt2"}{}'.length
    expect(first).toMatchObject({ right: true, revision: commit, note: null, last: { done: total, total } })
    expect(first.files).toEqual(['config.json', 'model.safetensors', 'tokenizer.json'])
    server.seen.length = 0
    expect(await resolve({ offline: true })).toMatchObject({ right: true, revision: commit })
    expect(server.seen).toEqual([])
  })

  test('a cut connection continues by range; a flipped byte never enters the storage', async () => {
    server.faults.set('model.safetensors', [{ kind: 'flip', at: 5000 }])
    expect((await resolve()).error).toContain('model.safetensors is damaged')
    expect((await resolve({ offline: true })).error).toContain('is not in the cache')
    server.faults.set('model.safetensors', [{ kind: 'cut', after: 70_000 }])
    server.seen.length = 0
    expect(await resolve()).toMatchObject({ right: true })
    expect(server.seen.filter(({ host }) => host === 'files').map(({ range }) => range)).toEqual([
      undefined,
      'bytes=70000-',
    ])
  })

  test('what is missing says so', async () => {
    server.files = {}
    expect((await resolve()).error).toContain('has no weights')
    server.token = 'secret-token'
    expect((await resolve()).error).toContain('(401)')
  })

  test('chosen files open as a checkpoint', async () => {
    const outcome = await page.evaluate(`(async (base64) => {
      const { openFiles } = await import('/src/hub/web/files.ts')
      const { openCheckpoint } = await import('/src/hub/checkpoint.ts')
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
      const checkpoint = await openCheckpoint(openFiles([new File(['{}'], 'config.json'), new File([bytes], 'model.safetensors')]))
      const values = await checkpoint.readFloat32('w')
      return [values[1], values[49999]]
    })(${JSON.stringify(Buffer.from(weights).toString('base64'))})`)
    expect(outcome).toEqual([1, 49999])
  })
})
