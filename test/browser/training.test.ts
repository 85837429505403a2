import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { WebBackendOptions } from '../../src/engine/web/backend.ts'
import { createNodeBackend, curveOf, Engine, type LogEntry } from '../../src/index.ts'
import { chromiumPath, hasChromium, launchChromium, type ServedPage, servePage } from '../support/browser.ts'
import { runTinyTraining } from '../support/tiny-training.ts'

describe.skipIf(!hasChromium)(`training in Chromium (needs ${chromiumPath})`, { timeout: 240_000 }, () => {
  let expected: readonly LogEntry[]
  let page: ServedPage
  beforeAll(async () => {
    const engine = new Engine({ backend: createNodeBackend({ threads: 1 }) })
    expected = await runTinyTraining(engine)
    await engine.dispose()
    page = await servePage('test/browser/training-page.ts', true)
  }, 120_000)
  afterAll(() => page?.close())

  it.each<[string, WebBackendOptions, boolean]>([
    ['WebAssembly', { provider: 'wasm', threads: 2 }, false],
    ['WebGPU', { provider: 'webgpu' }, true],
  ])('%s trains as Node does: every logged number to 1e-4', async (name, options, gpu) => {
    const browser = await launchChromium({ gpu })
    try {
      const tab = await browser.newPage()
      await tab.goto(page.url)
      await tab.waitForFunction('globalThis.runCase !== undefined')
      const call = `globalThis.runCase(${JSON.stringify(options)})`
      const result = (await tab.evaluate(call)) as { name: string; entries: LogEntry[] }
      expect(result.name.toLowerCase()).toContain(name === 'WebGPU' ? 'webgpu' : 'wasm')
      expect(result.entries.map(({ step }) => step)).toEqual(expected.map(({ step }) => step))
      for (const [i, { step, values }] of expected.entries()) {
        for (const [key, value] of Object.entries(values))
          expect(
            Math.abs((result.entries[i]!.values[key] as number) - (value as number)),
            `${key} at ${step}`,
          ).toBeLessThan(1e-4)
      }
    } finally {
      await browser.close()
    }
  })

  it('and it is a training: the loss falls', () => {
    const { values } = curveOf(expected, 'train/loss')
    expect(values.at(-1)).toBeLessThan(values[0]! - 0.3)
  })
})
