import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startHubServer } from '../../src/hub/node/hub-server.fixture.ts'
import { startWorkbenchServer } from '../../src/workbench/node/server.ts'
import { chromiumPath, hasChromium } from '../support/browser.ts'
import { buildEntries } from '../support/build-entries.ts'
import { shippedText } from '../support/workbench-server.ts'
import { useGrounds } from './support/grounds.ts'
import { panelOf, runPanel, whenIdle, whenOpen } from './support/page.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const stories = join(root, '../shared/checkpoints/stories260K')
const builtPackage = join(root, 'dist/index.js')

describe.skipIf(!hasChromium)(
  `models and engines in the workbench (needs ${chromiumPath})`,
  { timeout: 180_000 },
  () => {
    const grounds = useGrounds({ isolated: false })
    let tab: Page
    let scratch: string
    beforeAll(async () => {
      scratch = await mkdtemp(join(tmpdir(), 'diopter-journeys-'))
    })
    afterAll(() => rm(scratch, { recursive: true }))
    const pickFolder = async (folder: string) => {
      await tab.keyboard.press('m')
      await tab.getByLabel('Folder of a model').setInputFiles(folder)
    }

    it('a static host without headers: one thread, and the page says why', async () => {
      tab = await grounds.open()
      await whenOpen(tab)
      await tab.getByText(/1 thread/).waitFor()
      await runPanel(tab, 'predict')
      expect(await panelOf(tab, 'predict').getByText('nats a token').count()).toBe(1)
      // What is not there still says why when it is pressed.
      await tab.getByRole('radio', { name: 'Node' }).click({ force: true })
      await tab.getByText('It needs the local server').first().waitFor()
    })

    it.skipIf(!existsSync(stories))('a folder of this computer opens (needs ../shared/checkpoints)', async () => {
      tab = await grounds.open()
      await whenOpen(tab)
      await pickFolder(stories)
      await tab.getByText(/260 k parameters/).waitFor({ timeout: 60_000 })
      await tab.getByRole('textbox', { name: 'Clean prompt' }).fill('Once upon a time')
      await whenIdle(tab)
      expect(await panelOf(tab, 'lens').locator('.diopter-mark').count()).toBeGreaterThan(20)
    })

    it('a folder that holds no model is explained', async () => {
      tab = await grounds.open()
      await whenOpen(tab)
      const folder = join(scratch, 'letters')
      await mkdir(folder)
      await writeFile(join(folder, 'letter.txt'), 'Dear reader')
      await pickFolder(folder)
      await tab
        .getByRole('region', { name: 'Model' })
        .getByText(/config\.json/)
        .waitFor({ timeout: 30_000 })
    })

    it('a model of the hub opens by its id, and once more without the hub', async () => {
      const names = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']
      const files = Object.fromEntries(names.map((name) => [name, readFileSync(join(root, 'checkpoints/text', name))]))
      const hub = await startHubServer('someone/small', files, 'a'.repeat(40))
      const address = 'https://huggingface.co'
      const allow = { 'access-control-allow-origin': '*', 'access-control-allow-headers': '*' }
      try {
        tab = await grounds.open()
        await tab.context().route(`${address}/**`, async (route) => {
          const request = route.request()
          if (request.method() === 'OPTIONS') return route.fulfill({ status: 204, headers: allow })
          const response = await route.fetch({ url: request.url().replace(address, hub.endpoint) })
          return route.fulfill({ response, headers: { ...response.headers(), ...allow } })
        })
        await whenOpen(tab)
        await tab.keyboard.press('m')
        await tab.getByLabel('From the Hugging Face hub').fill('someone/small')
        await tab.getByRole('button', { name: 'Open', exact: true }).click()
        await tab.getByRole('button', { name: 'Model: someone/small' }).waitFor()
        await whenOpen(tab)
        expect(hub.seen.some(({ path }) => path.includes('model.safetensors'))).toBe(true)
        await tab.context().unroute(`${address}/**`)
        await tab.context().route(`${address}/**`, (route) => route.abort())
        await tab.reload()
        await tab.getByRole('button', { name: 'Model: someone/small' }).waitFor()
        await whenOpen(tab)
        await runPanel(tab, 'predict')
        expect(await panelOf(tab, 'predict').getByText('nats a token').count()).toBe(1)
      } finally {
        await hub.close()
      }
    })

    it('a model without a tokenizer gets a prompt of token ids', async () => {
      tab = await grounds.open({ hash: '#model=induction-2l' })
      await whenOpen(tab)
      await whenIdle(tab)
      expect(await tab.getByRole('textbox', { name: 'Clean prompt' }).inputValue()).toMatch(/^128 \d+( \d+)+$/)
      await runPanel(tab, 'attention')
      expect(await panelOf(tab, 'attention').locator('.diopter-mark').count()).toBeGreaterThan(15)
    })

    it.skipIf(!existsSync(builtPackage))(
      'the copied script gives the numbers of the page (needs npm run build)',
      async () => {
        tab = await grounds.open({ hash: '#tab=cause' })
        await whenOpen(tab)
        await runPanel(tab, 'attribute')
        await panelOf(tab, 'attribute').getByRole('button', { name: 'Export' }).click()
        await tab.getByRole('menuitem', { name: 'Copy as script' }).click()
        const script = await tab.evaluate('navigator.clipboard.readText()')
        // Beside an installed package, as its first line says.
        await mkdir(join(scratch, 'node_modules'))
        await symlink(root, join(scratch, 'node_modules/diopter'))
        await writeFile(join(scratch, 'again.mjs'), String(script))
        const { stdout } = await promisify(execFile)('node', ['again.mjs'], { cwd: scratch, maxBuffer: 2 ** 26 })
        const { values } = JSON.parse(stdout) as { values: { total: number } }
        const title = await panelOf(tab, 'attribute').getByText('Direct attribution of').first().textContent()
        expect(title).toContain(`(${values.total.toFixed(3)})`)
      },
    )

    it('the Node engine gives the same numbers', async () => {
      const entries = await buildEntries({ 'job-process': 'src/workbench/node/job-process.ts' })
      const jobEntry = entries.entry('job-process')
      const server = await startWorkbenchServer({ page: grounds.folder, port: 0, shipped: [shippedText], jobEntry })
      try {
        tab = await grounds.open({ url: server.address })
        expect(tab.url()).not.toContain('token')
        await whenOpen(tab)
        const title = () => panelOf(tab, 'predict').getByText('nats a token').textContent()
        await runPanel(tab, 'predict')
        const inBrowser = await title()
        await tab.getByRole('radio', { name: 'Node' }).click()
        await tab.getByText(/onnxruntime-node/).waitFor({ timeout: 60_000 })
        await runPanel(tab, 'predict')
        expect(await title()).toBe(inBrowser)
        // The address once more, in the same tab: what is shown stays, and the token leaves the address again.
        const shown = tab.url()
        await tab.goto(server.address)
        await expect.poll(() => tab.url()).toBe(shown)
        expect(await tab.getByText('which this page does not know').count()).toBe(0)
        expect(await title()).toBe(inBrowser)
        await panelOf(tab, 'predict').getByText('What exactly was run').click()
        await panelOf(tab, 'predict')
          .getByText(/onnxruntime-node/)
          .waitFor()
      } finally {
        await server.close()
        await entries.remove()
      }
    })
  },
)
