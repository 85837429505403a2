import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Download, Page } from 'playwright-core'
import { describe, expect, it, vi } from 'vitest'
import { startHubServer } from '../../src/hub/node/hub-server.fixture.ts'
import { startWorkbenchServer } from '../../src/workbench/node/server.ts'
import { chromiumPath, hasChromium } from '../support/browser.ts'
import { buildEntries } from '../support/build-entries.ts'
import { shippedText } from '../support/workbench-server.ts'
import { useGrounds } from './support/grounds.ts'
import { panelOf, whenIdle, whenOpen } from './support/page.ts'

const induction = fileURLToPath(new URL('../../checkpoints/induction-1l', import.meta.url))

describe.skipIf(!hasChromium)(`files in and out of the workbench (needs ${chromiumPath})`, { timeout: 180_000 }, () => {
  const grounds = useGrounds({ isolated: true })
  let tab: Page

  it('a folder that is dragged onto the page opens', async () => {
    tab = await grounds.open()
    await whenOpen(tab)
    const pointer = await tab.context().newCDPSession(tab)
    const data = { items: [], files: [induction], dragOperationsMask: 1 }
    for (const type of ['dragEnter', 'dragOver'] as const)
      await pointer.send('Input.dispatchDragEvent', { type, x: 600, y: 400, data })
    await tab.getByText("Drop a model's folder").waitFor()
    await pointer.send('Input.dispatchDragEvent', { type: 'drop', x: 600, y: 400, data })
    await tab.getByText(/1 layer, .* parameters\. onnxruntime-web/).waitFor({ timeout: 60_000 })
    expect(await tab.getByText("Drop a model's folder").count()).toBe(0)
    expect(new URLSearchParams(new URL(tab.url()).hash.slice(1)).get('model')).toBe('dropped:induction-1l')
    expect(grounds.host.seen.filter((path) => path.startsWith('/models/induction-1l'))).toEqual([])
  })

  it('pictures are exported as PNG at twice the size of their SVG', async () => {
    tab = await grounds.open()
    const panel = panelOf(tab, 'lens')
    await panel.locator('.diopter-mark').first().waitFor()
    const exported = async (label: string): Promise<Buffer> => {
      const saved: Promise<Download> = tab.waitForEvent('download')
      await panel.getByRole('button', { name: 'Export' }).click()
      await tab.getByRole('menuitem', { name: label }).click()
      const download = await saved
      expect(download.suggestedFilename()).toMatch(/^logit-lens\./)
      return readFile(await download.path())
    }
    const svg = (await exported('SVG picture')).toString()
    const [width, height] = ['width', 'height'].map((name) => Number(new RegExp(` ${name}="(\\d+)"`).exec(svg)![1]))
    const png = await exported('PNG picture')
    expect(png.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n')
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([2 * width!, 2 * height!])
    // And something is drawn on it.
    const colours = await tab.evaluate(`(async (base64) => {
      const image = await createImageBitmap(await (await fetch('data:image/png;base64,' + base64)).blob())
      const context = new OffscreenCanvas(image.width, image.height).getContext('2d')
      context.drawImage(image, 0, 0)
      return new Set(new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer)).size
    })('${png.toString('base64')}')`)
    expect(colours).toBeGreaterThan(20)
  })

  it('a model of the hub opens by its name on the Node engine', async () => {
    const files = Object.fromEntries(
      ['config.json', 'model.safetensors'].map((file) => [file, readFileSync(join(induction, file))]),
    )
    const hub = await startHubServer('owner/tiny', files, 'a'.repeat(40))
    const cache = await mkdtemp(join(tmpdir(), 'diopter-hub-'))
    vi.stubEnv('HF_ENDPOINT', hub.endpoint)
    vi.stubEnv('HF_HUB_CACHE', cache)
    vi.stubEnv('HF_HUB_OFFLINE', '0')
    const entries = await buildEntries({ 'job-process': 'src/workbench/node/job-process.ts' })
    const jobEntry = entries.entry('job-process')
    const server = await startWorkbenchServer({ page: grounds.folder, port: 0, shipped: [shippedText], jobEntry })
    try {
      const { hash } = new URL(server.address)
      tab = await grounds.open({ url: new URL('/', server.address).href, hash: `${hash}&engine=node` })
      await tab.getByText(/onnxruntime-node/).waitFor({ timeout: 60_000 })
      await tab.keyboard.press('m')
      await tab.getByRole('textbox', { name: 'From the Hugging Face hub' }).fill('owner/tiny')
      await tab.keyboard.press('Enter')
      await tab.getByText(/1 layer, .* parameters\. onnxruntime-node/).waitFor({ timeout: 60_000 })
      await whenIdle(tab)
      expect(hub.seen.filter(({ path }) => path.includes('model.safetensors')).length).toBeGreaterThan(0)
    } finally {
      await tab.goto('about:blank')
      await server.close()
      await entries.remove()
      await hub.close()
      await rm(cache, { recursive: true })
      vi.unstubAllEnvs()
    }
  })
})
