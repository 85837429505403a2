import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { build } from 'vite'
import type { BuiltPage } from './worker-page.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** Builds the workbench's page, with the shipped models, into a folder of its own. */
export async function buildPage(): Promise<BuiltPage> {
  const cache = join(root, 'node_modules', '.cache')
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, 'diopter-page-'))
  await build({ configFile: join(root, 'vite.config.ts'), mode: 'site', build: { outDir: folder }, logLevel: 'error' })
  return { folder, remove: () => rm(folder, { recursive: true }) }
}

/** How a tab is opened. */
export interface TabOptions {
  /** Behind the address, with `#`. */
  readonly hash?: string
  readonly colorScheme?: 'light' | 'dark'
  readonly viewport?: { readonly width: number; readonly height: number }
}

/** A tab with the page; it fails the test that opened it when the page throws. */
export async function openTab(browser: Browser, url: string, options: TabOptions = {}): Promise<Page> {
  const { hash = '', colorScheme = 'light', viewport = { width: 1440, height: 1000 } } = options
  const context = await browser.newContext({
    colorScheme,
    viewport,
    permissions: ['clipboard-read', 'clipboard-write'],
  })
  const tab = await context.newPage()
  tab.on('pageerror', (error) => {
    throw error
  })
  await tab.goto(`${url}${hash}`)
  return tab
}

/** Waits until the model is open. */
export async function whenOpen(tab: Page): Promise<void> {
  await tab.getByText(/parameters\. onnxruntime/).waitFor({ state: 'attached', timeout: 60_000 })
}

/** Waits until nothing is being worked on, and nothing is about to be. */
export async function whenIdle(tab: Page): Promise<void> {
  // What follows a change by itself begins after a pause.
  await tab.waitForTimeout(600)
  await tab.getByRole('button', { name: 'Jobs none running' }).waitFor({ timeout: 120_000 })
}

/** A method's panel. */
export const panelOf = (tab: Page, method: string) => tab.locator(`[data-method=${method}]`)

/** Runs a method's panel and waits for its end. */
export async function runPanel(tab: Page, method: string): Promise<void> {
  await panelOf(tab, method).getByRole('button', { name: 'Run', exact: true }).click()
  await whenIdle(tab)
}
