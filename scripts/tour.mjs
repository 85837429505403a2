// Takes the pictures of docs/tour from the built page (`npm run build:web`): node scripts/tour.mjs [FOLDER OF THE PAGE] [NAME ...]
// Needs Chromium at /usr/bin/chromium, or where CHROMIUM says.
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const root = fileURLToPath(new URL('..', import.meta.url))
const [folder = join(root, 'dist/site'), ...wanted] = process.argv.slice(2)
const pictures = join(root, 'docs/tour')
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css' }

/** The folder as a static host with the headers that give a page threads. */
function serve() {
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, 'http://localhost').pathname))
    const file = join(resolve(folder), path === '/' ? 'index.html' : path)
    response.setHeader('Cross-Origin-Opener-Policy', 'same-origin')
    response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp')
    response.setHeader('Content-Type', TYPES[extname(file)] ?? 'application/octet-stream')
    try {
      response.end(readFileSync(file))
    } catch {
      response.writeHead(404).end()
    }
  })
  return new Promise((started) => server.listen(0, '127.0.0.1', () => started(server)))
}

const panelOf = (tab, method) => tab.locator(`[data-method=${method}]`)
const runs = (tab, method) => panelOf(tab, method).getByRole('button', { name: 'Run', exact: true })

/** Scrolls so that an element's top is near the top of its pane. */
const toTop = (locator) => locator.evaluate((element) => element.scrollIntoView({ block: 'start' }))

async function idle(tab) {
  await tab.waitForTimeout(700) // what follows by itself begins after a pause
  await tab.locator('.jobs-toggle', { hasText: 'none running' }).waitFor({ timeout: 60_000 }) // a dialog hides it from roles
}

const panels = (states) => `#panels=${encodeURIComponent(JSON.stringify(states))}`

/** By file name: where the page is opened, and what is done before the picture. */
const stops = {
  '1-read': { async act() {} },
  '2-lens': {
    hash: panels({ attention: { open: false } }),
    async act(tab) {
      const panel = panelOf(tab, 'lens')
      await panel.locator('.diopter-mark[data-row="3"][data-column="5"]').click()
      await tab.mouse.move(1100, 700) // away from the cell, whose tooltip lies over others
      await toTop(panel)
    },
  },
  '3-attention': {
    colorScheme: 'dark',
    async act(tab) {
      const panel = panelOf(tab, 'attention')
      await panel.locator('.diopter-mark[data-row="1"][data-column="3"]').first().click()
      const tokens = panel.getByRole('group', { name: 'L1H3: tokens' })
      await tokens.getByRole('button').nth(4).click()
      await idle(tab)
      await toTop(panel)
    },
  },
  '4-patching': {
    hash: '#tab=cause',
    async act(tab) {
      const panel = panelOf(tab, 'patch')
      await runs(tab, 'patch').waitFor({ timeout: 120_000 })
      await panel.locator('.diopter-mark[aria-label^="layer: layer 1"]').nth(3).click()
      await tab.getByRole('button', { name: 'Open this run' }).click()
      const drawer = tab.getByRole('dialog', { name: 'The runs behind this cell' })
      await drawer.getByText('Loss of every token').nth(2).waitFor({ timeout: 120_000 })
    },
  },
  '5-ablation': {
    hash: '#selection=layer.0,head.0',
    async act(tab) {
      await tab.getByRole('button', { name: 'Ablate this head' }).click()
    },
  },
  '6-circuits': {
    hash: '#tab=circuits&model=induction-2l',
    async act(tab) {
      await runs(tab, 'heads').click()
    },
  },
  '7-train': {
    hash: '#tab=train&recipe=induction',
    async act(tab) {
      await tab.getByRole('button', { name: /^Train \d+ steps/ }).click()
      await tab
        .getByText(/[5-6]\d\d of 700/)
        .first()
        .waitFor({ timeout: 400_000 })
      await toTop(tab.locator('.train-body .panel-run').first())
    },
    isBusy: true,
  },
  '8-compare': {
    async act(tab) {
      const panel = panelOf(tab, 'predict')
      await panel.getByRole('button', { name: 'Pin to compare' }).click()
      await tab
        .getByRole('textbox', { name: 'Clean prompt' })
        .fill('There was Miss Bates at the window, and everybody looked at Miss')
      await idle(tab)
      await panel.getByRole('button', { name: 'Pin to compare' }).click()
      await tab.getByRole('button', { name: 'Compare 2' }).click()
    },
  },
  '9-help': {
    async act(tab) {
      await tab.keyboard.press('?')
    },
  },
}

mkdirSync(pictures, { recursive: true })
const server = await serve()
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
})
for (const [name, { hash = '', colorScheme = 'light', act, isBusy = false }] of Object.entries(stops)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme })
  const tab = await context.newPage()
  await tab.goto(`http://127.0.0.1:${server.address().port}/${hash}`)
  await tab.getByText(/parameters\. onnxruntime/).waitFor({ timeout: 120_000 })
  await idle(tab)
  await act(tab)
  if (!isBusy) await idle(tab)
  const path = join(pictures, `${name}.png`)
  await tab.screenshot({ path })
  console.log(`${name}: ${Math.round(statSync(path).size / 1000)} kB`)
  await context.close()
}
await browser.close()
server.close()
