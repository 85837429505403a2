import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createNodeBackend,
  type Model,
  methods,
  openFolder,
  openModel,
  parseResult,
  type RunSpecInput,
  runSpec,
} from '../../src/index.ts'
import { EXAMPLE_TEXT } from '../../src/runs/examples.ts'
import { chromiumPath, hasChromium, launchChromium } from '../support/browser.ts'
import { expectSameValues } from './support/same-values.ts'
import { type StaticHost, startStaticHost } from './support/static-host.ts'
import { askInPage, type BuiltPage, buildWorkerPage, openWorkerPage } from './support/worker-page.ts'

const model = { ref: 'text' }

describe.skipIf(!hasChromium)(`native and browser engines (needs ${chromiumPath})`, { timeout: 120_000 }, () => {
  let page: BuiltPage
  let host: StaticHost
  let browser: Browser
  let tab: Page
  let native: Model
  beforeAll(async () => {
    native = await openModel(await openFolder('checkpoints/text'), createNodeBackend({ threads: 2 }), {
      name: 'text',
      ownsBackend: true,
    })
    page = await buildWorkerPage()
    host = await startStaticHost(page.folder, { isolated: true })
    browser = await launchChromium()
    tab = await browser.newPage()
    await openWorkerPage(tab, host.url)
  }, 120_000)
  afterAll(async () => {
    await browser?.close()
    await host?.close()
    await page?.remove()
    await native?.dispose()
  })

  it.each(methods.map(({ name }) => name))('%s gives the same numbers on the text model, to 1e-4', async (name) => {
    const { example } = methods.find((method) => method.name === name)!
    const spec: RunSpecInput = { version: 1, model, method: name, ...example }
    const expected = await runSpec(spec, { openModel: async () => native })
    const { answer, error } = await askInPage(tab, 'run', { spec: { ...spec, backend: 'wasm' } })
    expect(error).toBeUndefined()
    const result = parseResult(answer)
    expect(result.provenance.backend).toMatch(/^onnxruntime-web wasm, \d+ threads?$/)
    expectSameValues(result, expected)
    expect(result.checks.map(({ name: check, verdict }) => `${check}: ${verdict}`)).toEqual(
      expected.checks.map(({ name: check, verdict }) => `${check}: ${verdict}`),
    )
  })

  it('WebGPU gives the same predictions, to 1e-4', async () => {
    const gpu = await launchChromium({ gpu: true })
    try {
      const other = await gpu.newPage()
      await openWorkerPage(other, host.url)
      const spec: RunSpecInput = { version: 1, model, method: 'predict', prompts: [EXAMPLE_TEXT] }
      const { answer, error } = await askInPage(other, 'run', { spec: { ...spec, backend: 'webgpu' } })
      expect(error).toBeUndefined()
      const result = parseResult(answer)
      expect(result.provenance.backend).toBe('onnxruntime-web webgpu')
      expectSameValues(result, await runSpec(spec, { openModel: async () => native }))
    } finally {
      await gpu.close()
    }
  })
})
