import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startHubServer } from '../../src/hub/node/hub-server.fixture.ts'
import { EXAMPLE_PAIR, EXAMPLE_QUESTION, EXAMPLE_TEXT } from '../../src/runs/examples.ts'
import { startWorkbenchServer } from '../../src/workbench/node/server.ts'
import { chromiumPath, hasChromium, launchChromium } from '../support/browser.ts'
import { playedJobProcess, shippedInduction } from '../support/workbench-server.ts'
import { type StaticHost, startStaticHost } from './support/static-host.ts'
import { askInPage, type BuiltPage, buildWorkerPage, openWorkerPage } from './support/worker-page.ts'

const model = { ref: 'text' }
const backend = 'wasm'
const stories = '../shared/checkpoints/stories260K'

/** A run of some seconds with many items. */
const long = {
  spec: {
    version: 1 as const,
    model,
    method: 'heads',
    prompts: [],
    parameters: { examples: 400, period: 16 },
    backend: backend as 'wasm',
  },
}
const short = { spec: { ...long.spec, method: 'lens', prompts: [EXAMPLE_TEXT], parameters: {} } }

describe.skipIf(!hasChromium)(`the page's worker (needs ${chromiumPath})`, { timeout: 120_000 }, () => {
  let page: BuiltPage
  let host: StaticHost
  let browser: Browser
  let tab: Page
  beforeAll(async () => {
    page = await buildWorkerPage()
    host = await startStaticHost(page.folder, { isolated: true, ranges: true })
    browser = await launchChromium()
  }, 120_000)
  afterAll(async () => {
    await browser?.close()
    await host?.close()
    await page?.remove()
  })
  beforeEach(async () => {
    tab = await (await browser.newContext()).newPage()
    await openWorkerPage(tab, host.url)
    return () => tab.context().close()
  })

  it('lists, opens, tokenizes, aligns and runs; threads where the host isolates the page', async () => {
    const { answer: list } = await askInPage(tab, 'models', {})
    expect(list).toContainEqual(
      expect.objectContaining({ ref: 'text', origin: 'shipped', problem: null, about: expect.stringContaining('.') }),
    )
    const opened = await askInPage(tab, 'open', { model, backend })
    expect(opened.answer).toMatchObject({ ref: 'text', hasTokenizer: true, parameters: 2_557_632 })
    expect(opened.answer).toMatchObject({
      backend: expect.stringMatching(/^onnxruntime-web wasm, ([2-9]|\d\d) threads$/),
    })
    expect(opened.phases).toContain('download model.safetensors')
    const { answer: text } = await askInPage(tab, 'tokenize', {
      model,
      backend,
      text: EXAMPLE_QUESTION.prompt as string,
    })
    expect((text as { tokens: string[] }).tokens.join('')).toContain('There was Miss Smith')
    const { answer: aligned } = await askInPage(tab, 'align', {
      model,
      backend,
      clean: EXAMPLE_PAIR.clean as string,
      corrupt: EXAMPLE_PAIR.corrupt as string,
    })
    expect(aligned).toMatchObject({ clean: { ids: expect.any(Array) }, alignment: expect.any(Object) })
    const run = await askInPage(tab, 'run', short)
    expect(run.answer).toMatchObject({ complete: true, provenance: { model: 'text' } })
    const cpu = await askInPage(tab, 'run', { spec: { ...short.spec, backend: 'cpu' } })
    expect(cpu.error).toBe("The backend 'cpu' runs in Node alone. In a browser choose wasm or webgpu.")
    const gpu = await askInPage(tab, 'run', { spec: { ...short.spec, backend: 'webgpu' } })
    expect(gpu.error).toMatch(/'webgpu' was asked for; .*: use the provider 'wasm'/)
  })

  it('a second visit fetches no model again', async () => {
    await askInPage(tab, 'open', { model, backend })
    host.seen.length = 0
    await openWorkerPage(tab, host.url)
    const opened = await askInPage(tab, 'open', { model, backend })
    expect(opened.answer).toMatchObject({ ref: 'text' })
    expect(host.seen.filter((path) => path.startsWith('/models/'))).toEqual([])
    expect(opened.phases.filter((phase) => phase.startsWith('download'))).toEqual([])
  })

  it('a cancelled run keeps what is done, and the next one works', async () => {
    await askInPage(tab, 'open', { model, backend })
    const story = { ...long.spec, method: 'generate', prompts: [EXAMPLE_TEXT], parameters: { tokens: 400 } }
    const cancelled = await askInPage(tab, 'run', { spec: story }, 'token')
    expect(cancelled.answer).toMatchObject({ complete: false, spec: { method: 'generate' } })
    const heads = await askInPage(tab, 'run', long, 'partial')
    expect(heads.answer).toMatchObject({ complete: false, spec: { method: 'heads' } })
    expect((await askInPage(tab, 'run', short)).answer).toMatchObject({ complete: true })
  })

  it('work that does not stop is stopped by force; requests that waited are answered by the next worker', async () => {
    await tab.evaluate('start({ patience: 0 })')
    await askInPage(tab, 'open', { model, backend })
    const [cancelled, waiting] = await Promise.all([
      askInPage(tab, 'run', long, 'progress'),
      askInPage(tab, 'run', short),
    ])
    expect(cancelled.error).toContain('abort')
    expect(waiting.phases).toContain('waiting for other work')
    expect(waiting.answer).toMatchObject({ complete: true, spec: { method: 'lens' } })
  })

  it('trains, streams the log, and keeps what is trained when it is cancelled', async () => {
    const training = {
      task: 'modular-addition',
      config: { p: 7, d_model: 16, n_heads: 2, d_mlp: 16 },
      seed: 0,
      steps: 20,
      logEvery: 5,
    }
    const trained = await askInPage(tab, 'train', { training: training as never, backend })
    expect(trained.error).toBeUndefined()
    expect(trained.answer).toMatchObject({ complete: true })
    expect(trained.events).toContain('log')
    const { log } = trained.answer as { log: { step: number; values: { loss?: number } }[] }
    expect(log.filter(({ values }) => values.loss !== undefined).map(({ step }) => step)).toEqual([5, 10, 15, 20])
    const endless = { ...training, steps: 1_000_000 }
    const cancelled = await askInPage(tab, 'train', { training: endless as never, backend }, 'log')
    expect(cancelled.answer).toMatchObject({ complete: false })
  })

  it('a hub model is kept in private storage, and opens again when the hub is away', async () => {
    const files = Object.fromEntries(
      ['config.json', 'model.safetensors'].map((file) => [file, readFileSync(`checkpoints/induction-1l/${file}`)]),
    )
    const hub = await startHubServer('owner/tiny', files, 'a'.repeat(40))
    await tab.evaluate(`start({ hubEndpoint: '${hub.endpoint}' })`)
    const spec = { ref: 'owner/tiny' }
    const opened = await askInPage(tab, 'open', { model: spec, backend })
    expect(opened.answer).toMatchObject({ revision: 'a'.repeat(40), hasTokenizer: false, parameters: 131_200 })
    expect(opened.phases).toContain('download model.safetensors')
    const { answer: list } = await askInPage(tab, 'models', {})
    const bytes = files['config.json']!.length + files['model.safetensors']!.length
    expect(list).toContainEqual({
      ref: 'owner/tiny',
      title: 'owner/tiny',
      about: '',
      bytes,
      origin: 'cache',
      problem: null,
    })
    await hub.close()
    await tab.evaluate(`start({ hubEndpoint: '${hub.endpoint}' })`)
    const again = await askInPage(tab, 'open', { model: { ...spec, revision: 'a'.repeat(40) }, backend })
    expect(again.answer).toMatchObject({ revision: 'a'.repeat(40) })
  })

  it('folders that the server was started with open in the page: for who brings the token, and never in a URL', async () => {
    const folder = join(mkdtempSync(join(tmpdir(), 'diopter-folder-')), 'mine')
    cpSync(shippedInduction.folder, folder, { recursive: true })
    const server = await startWorkbenchServer({
      page: page.folder,
      port: 0,
      shipped: [],
      folders: [folder],
      jobEntry: playedJobProcess,
    })
    const urls: string[] = []
    tab.context().on('request', (request) => urls.push(request.url()))
    await openWorkerPage(tab, new URL('/', server.address).href)
    expect((await askInPage(tab, 'models', {})).answer).toEqual([])
    await tab.evaluate(`start({ token: '${server.token}' })`)
    const { answer } = await askInPage(tab, 'models', {})
    const [entry] = answer as { ref: string; origin: string }[]
    expect(entry).toMatchObject({ origin: 'folder' })
    const opened = await askInPage(tab, 'open', { model: { ref: entry!.ref }, backend })
    expect(opened.answer).toMatchObject({ ref: entry!.ref, hasTokenizer: false })
    const spec = { ...short.spec, model: { ref: entry!.ref }, method: 'attention', prompts: [[128, 5, 9, 5, 9]] }
    expect((await askInPage(tab, 'run', { spec })).answer).toMatchObject({ complete: true })
    expect(urls.filter((url) => url.includes('model.safetensors'))).toHaveLength(1)
    expect(urls.filter((url) => url.includes(server.token))).toEqual([])
    await tab.goto('about:blank')
    await server.close()
    rmSync(folder, { recursive: true })
  })

  it('a folder without a config, and one from another page, say what to do', async () => {
    const ref = await tab.evaluate(`addFolder([new File(['{}'], 'notes.json')])`)
    expect(ref).toBe('dropped:files')
    const { answer: list } = await askInPage(tab, 'models', {})
    expect(list).toContainEqual(
      expect.objectContaining({ ref, origin: 'dropped', problem: expect.stringContaining('no config.json') }),
    )
    const dropped = await tab.evaluate(`(async () => {
      const data = new DataTransfer()
      data.items.add(new File(['{}'], 'config.json'))
      const { name, files } = await droppedFolder(data)
      return [name, files.map(({ path }) => path)]
    })()`)
    expect(dropped).toEqual(['files', ['config.json']])
    const { error } = await askInPage(tab, 'open', { model: { ref: 'dropped:files' }, backend })
    expect(error).toContain('has no file config.json. It has notes.json')
    const other = await askInPage(tab, 'open', { model: { ref: 'dropped:mine' }, backend })
    expect(other.error).toContain('"mine" was dropped on another page')
  })

  it('large files are read by range where the host can, and whole where it cannot', async () => {
    const file = {
      path: 'model.safetensors',
      bytes: readFileSync('checkpoints/text/model.safetensors').length,
      version: '1',
    }
    const read = (url: string) =>
      tab.evaluate(`(async () => {
        const source = httpSource(${JSON.stringify(`${url}models/text/`)}, [${JSON.stringify(file)}], { description: 'text', wholeBytes: 10 })
        return [...await source.readRange('model.safetensors', 100, 108), ...await source.readRange('model.safetensors', 5000, 5004)]
      })()`)
    const bytes = readFileSync('checkpoints/text/model.safetensors')
    const expected = [...bytes.subarray(100, 108), ...bytes.subarray(5000, 5004)]
    const asked = () => host.seen.filter((path) => path.includes('model.safetensors'))
    host.seen.length = 0
    expect(await read(host.url)).toEqual(expected)
    expect(asked()).toEqual(
      ['bytes=100-107', 'bytes=5000-5003'].map((range) => `/models/text/model.safetensors ${range}`),
    )
    const plain = await startStaticHost(page.folder)
    await tab.goto(plain.url)
    await openWorkerPage(tab, plain.url)
    expect(await read(plain.url)).toEqual(expected)
    expect(plain.seen.filter((path) => path.includes('model.safetensors'))).toHaveLength(1)
    await plain.close()
  })

  it.skipIf(!existsSync(stories))('a picked folder opens and is never sent anywhere (needs ../shared)', async () => {
    await tab.setContent('<input type="file" webkitdirectory>')
    await tab.locator('input').setInputFiles(stories)
    host.seen.length = 0
    const ref = await tab.evaluate(`addFolder(document.querySelector('input').files)`)
    expect(ref).toBe('dropped:stories260K')
    const spec = { ...short.spec, model: { ref: 'dropped:stories260K' }, prompts: ['Once upon a time'] }
    const run = await askInPage(tab, 'run', { spec })
    expect(run.answer).toMatchObject({ complete: true, provenance: { model: 'dropped:stories260K' } })
    expect(host.seen.filter((path) => path.startsWith('/models/'))).toEqual([])
  })
})
