import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseResult, viewsOf } from '../../src/index.ts'
import { DEFAULT_MODEL, FIRST_RESULTS, firstSpecs, specKey } from '../../src/workbench/browser/first-results.ts'
import { chromiumPath, hasChromium, launchChromium } from '../support/browser.ts'
import { expectSameValues } from './support/same-values.ts'
import { type StaticHost, startStaticHost } from './support/static-host.ts'
import { askInPage, type BuiltPage, buildWorkerPage, openWorkerPage } from './support/worker-page.ts'

const model = { ref: DEFAULT_MODEL }
const backend = 'wasm'

describe.skipIf(!hasChromium)(`a static host without headers (needs ${chromiumPath})`, { timeout: 120_000 }, () => {
  let page: BuiltPage
  let host: StaticHost
  let browser: Browser
  let tab: Page
  beforeAll(async () => {
    page = await buildWorkerPage()
    host = await startStaticHost(page.folder, { prefix: '/some/where/' })
    browser = await launchChromium()
    tab = await browser.newPage()
    await openWorkerPage(tab, host.url)
  }, 120_000)
  afterAll(async () => {
    await browser?.close()
    await host?.close()
    await page?.remove()
  })

  it('has first results for the specs that the page opens with, fetched once', async () => {
    expect(statSync(join(page.folder, FIRST_RESULTS)).size).toBeLessThan(300_000)
    const keys = await tab.evaluate(`firstResults(document.baseURI).then((results) => [...results.keys()])`)
    expect(keys).toEqual(firstSpecs().map((spec) => specKey({ ...spec, backend })))
    expect(host.seen.filter((path) => path.endsWith(FIRST_RESULTS))).toHaveLength(1)
  })

  it('first results are what the page would compute', async () => {
    const results = (JSON.parse(readFileSync(join(page.folder, FIRST_RESULTS), 'utf8')) as unknown[]).map(parseResult)
    for (const first of results) {
      const { answer } = await askInPage(tab, 'run', { spec: { ...first.spec, backend } })
      expectSameValues(parseResult(answer), first)
      expect(viewsOf(first).length).toBeGreaterThan(0)
    }
  })

  it('runs on one thread and says what would give more', async () => {
    const { answer } = await askInPage(tab, 'open', { model, backend })
    const note = expect.stringMatching(/1 thread \(the page is not cross-origin isolated; .*Cross-Origin-Opener-Policy/)
    expect(answer).toMatchObject({ backend: note })
    expect(await tab.evaluate('browserAbilities()')).toEqual({
      threads: 1,
      threadsNote: note,
      webGpuProblem: expect.stringContaining('no graphics adapter'),
    })
  })

  it('asks for nothing outside its folder, and only for the ONNX Runtime that it uses', () => {
    const own = host.seen.filter((path) => path !== '/favicon.ico')
    expect(own.filter((path) => !path.startsWith('/some/where/'))).toEqual([])
    expect(own.filter((path) => path.endsWith('.wasm'))).toEqual(['/some/where/ort/ort-wasm-simd-threaded.wasm'])
  })

  it('a model that arrives incomplete, and a host without models, are explained', async () => {
    const file = { path: 'config.json', bytes: 5000, version: '1' }
    const folder = `${host.url}models/text/`
    const read = `httpSource('${folder}', [${JSON.stringify(file)}], { description: 'text' }).readText('config.json')`
    const text = readFileSync('checkpoints/text/config.json').length
    expect(await tab.evaluate(`${read}.catch((error) => error.message)`)).toBe(
      `config.json of text arrived with ${text} bytes; its list says 5000. The host's copy is incomplete or another one: reload the page.`,
    )
    await tab.evaluate(`start({ base: '${host.url}nowhere/' })`)
    const { error } = await askInPage(tab, 'models', {})
    expect(error).toContain("The page's host answered 404 for models.json. Serve the whole folder")
  })
})
