import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runForwardBackward } from '../../../test/support/forward-backward.ts'
import { buildHostProcess } from '../../../test/support/host-process.ts'
import { largestDifference } from '../../../test/support/run-graph.ts'
import { Engine } from '../index.ts'
import { createNodeBackend } from './backend.ts'
import { createHostedBackend } from './hosted-backend.ts'

/** Chromium brings a Vulkan loader and a software device. */
const folder = '/usr/lib/chromium'
const hasSoftwareGpu = existsSync(`${folder}/vk_swiftshader_icd.json`)

describe.skipIf(process.platform !== 'linux')(
  'the WebGPU provider in Node (tested on Linux only)',
  { timeout: 240_000 },
  () => {
    let host: Awaited<ReturnType<typeof buildHostProcess>>
    const environment = { ...process.env }
    beforeAll(async () => {
      host = await buildHostProcess()
    })
    afterAll(async () => {
      process.env = environment
      await host.remove()
    })

    /** The dynamic linker reads its path when a process starts, so each device needs a process of its own. */
    async function runWith(variables: Readonly<Record<string, string>>) {
      process.env = { ...environment, ...variables }
      const engine = new Engine({ backend: createHostedBackend({ entry: host.entry, provider: 'webgpu' }) })
      try {
        return await runForwardBackward(engine)
      } finally {
        await engine.dispose()
      }
    }

    it.skipIf(!hasSoftwareGpu)(`computes what the CPU computes, on a software device (needs ${folder})`, async () => {
      const plain = new Engine({ backend: createNodeBackend({ threads: 1 }) })
      const expected = await runForwardBackward(plain)
      await plain.dispose()
      const actual = await runWith({
        LD_LIBRARY_PATH: folder,
        VK_ICD_FILENAMES: `${folder}/vk_swiftshader_icd.json`,
      })
      for (const name in expected) expect(largestDifference(actual[name]!, expected[name]!), name).toBeLessThan(1e-4)
    })

    it('is a clear error on a machine without a device', async () => {
      const none = { VK_ICD_FILENAMES: '/nowhere.json', VK_DRIVER_FILES: '/nowhere.json' }
      await expect(runWith(none)).rejects.toThrow(/The provider 'webgpu' was asked for and does not start .* Vulkan/)
    })
  },
)
