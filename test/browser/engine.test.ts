import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Engine } from '../../src/engine/index.ts'
import { createNodeBackend } from '../../src/engine/node/backend.ts'
import type { WebBackendOptions } from '../../src/engine/web/backend.ts'
import { chromiumPath, hasChromium, launchChromium, type ServedPage, servePage } from '../support/browser.ts'
import { runForwardBackward } from '../support/forward-backward.ts'
import { largestDifference } from '../support/run-graph.ts'

interface CaseResult {
  readonly name: string
  readonly blocking: boolean
  readonly copiesInputs: boolean
  readonly compiles: number
  readonly results: Record<string, number[]>
}

describe.skipIf(!hasChromium)(`the engine in Chromium (needs ${chromiumPath})`, { timeout: 180_000 }, () => {
  let expected: Record<string, number[]>
  let page: ServedPage
  beforeAll(async () => {
    const engine = new Engine({ backend: createNodeBackend({ threads: 2 }) })
    expected = await runForwardBackward(engine)
    await engine.dispose()
    page = await servePage('test/browser/engine-page.ts', true)
  })
  afterAll(() => page?.close())

  /** The value of a call in a fresh browser's page. */
  async function inPage<T>(call: string, { gpu = false, url = page.url } = {}): Promise<T> {
    const browser = await launchChromium({ gpu })
    try {
      const tab = await browser.newPage()
      await tab.goto(url)
      await tab.waitForFunction('globalThis.runCase !== undefined')
      return await tab.evaluate(`globalThis.${call}`)
    } finally {
      await browser.close()
    }
  }
  const runCase = (options: WebBackendOptions, where?: { gpu?: boolean; url?: string }) =>
    inPage<CaseResult>(`runCase(${JSON.stringify(options)})`, where)

  function expectNodesNumbers({ results }: CaseResult) {
    expect(Object.keys(results)).toEqual(Object.keys(expected))
    for (const name in expected) expect(largestDifference(results[name]!, expected[name]!), name).toBeLessThan(1e-4)
  }

  it('WebAssembly on two threads computes what Node computes: forward and backward', async () => {
    const result = await runCase({ provider: 'wasm', threads: 2 })
    expect(result).toMatchObject({ name: 'onnxruntime-web wasm, 2 threads', blocking: true, copiesInputs: true })
    expect(result.compiles).toBe(1) // resident at once
    expectNodesNumbers(result)
  })

  it('a page that is not cross-origin isolated runs on one thread and says why', async () => {
    const plain = await servePage('test/browser/engine-page.ts', false)
    const result = await runCase({ threads: 2, wasmPaths: '/ort/' }, { url: plain.url })
    expect(result.name).toMatch(/1 thread \(the page is not cross-origin isolated; .*Cross-Origin-Opener-Policy/)
    expectNodesNumbers(result)
    await plain.close()
  })

  it('float16 goes in and comes out as bits', async () => {
    expect(await inPage('runHalf()')).toEqual({ dtype: 'float16', bits: [0x3c00, 0xb800, 0x7c00] })
  })

  it('WebGPU computes what Node computes: forward and backward', async () => {
    const result = await runCase({ provider: 'webgpu' }, { gpu: true })
    expect(result).toMatchObject({ name: 'onnxruntime-web webgpu', blocking: false })
    expectNodesNumbers(result)
  })

  it('WebGPU where there is none is a clear error', async () => {
    await expect(runCase({ provider: 'webgpu' })).rejects.toThrow(/The provider 'webgpu' was asked for; /)
  })
})
