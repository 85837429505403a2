import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { build } from 'vite'
import type { Requests, StreamEvent } from '../../../src/workbench/service/messages.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** The page of `test/workbench/worker-page`, built as the workbench's own page is, with the shipped models. */
export interface BuiltPage {
  readonly folder: string
  remove(): Promise<void>
}

/** Builds it into a folder of its own. */
export async function buildWorkerPage(): Promise<BuiltPage> {
  const cache = join(root, 'node_modules', '.cache')
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, 'diopter-workbench-'))
  await build({
    configFile: join(root, 'vite.config.ts'),
    mode: 'site',
    root: join(root, 'test/workbench/worker-page'),
    build: { outDir: folder },
    logLevel: 'error',
  })
  return { folder, remove: () => rm(folder, { recursive: true }) }
}

/** What came of a request in the page. */
export interface Asked {
  /** As it travels, typed arrays written as JSON. */
  readonly answer?: unknown
  readonly error?: string
  readonly events: readonly StreamEvent['kind'][]
  readonly phases: readonly string[]
  readonly cancelledMs?: number
}

/** Asks the page's service; cancels at the first event of the kind `cancelAt`. */
export async function askInPage<Name extends keyof Requests>(
  tab: Page,
  kind: Name,
  request: Requests[Name]['ask'],
  cancelAt?: StreamEvent['kind'],
): Promise<Asked> {
  const call = [kind, request, ...(cancelAt ? [cancelAt] : [])].map((argument) => JSON.stringify(argument)).join(', ')
  const asked = (await tab.evaluate(`globalThis.ask(${call})`)) as Asked & { answer?: string }
  return { ...asked, ...(asked.answer === undefined ? {} : { answer: JSON.parse(asked.answer) }) }
}

/** Opens the built page. */
export async function openWorkerPage(tab: Page, url: string): Promise<void> {
  await tab.goto(url)
  await tab.waitForFunction('globalThis.ask !== undefined')
}
