import { existsSync, readFileSync } from 'node:fs'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import ts from 'typescript'

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
const source = new URL('../../', import.meta.url)

export const hasChromium = existsSync(executablePath)

/** Chromium that draws on the processor, as it does where there is no GPU. */
export const launch = (): Promise<Browser> =>
  chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })

/** A page that serves src/ as plain JavaScript modules, so that the browser runs the views without a bundler. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<Page> {
  const page = await browser.newPage(options)
  await page.route('http://views.test/**', (route) => {
    const path = new URL(route.request().url()).pathname.slice(1)
    if (path === '')
      return route.fulfill({
        contentType: 'text/html',
        body: '<!doctype html><html lang="en"><title>views</title><style>:root{color-scheme:light dark}</style><main><h1>Views</h1><div id="here"></div></main>',
      })
    if (!path.endsWith('.ts')) return route.fulfill({ status: 404 })
    const { outputText } = ts.transpileModule(readFileSync(new URL(path, source), 'utf8'), {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
    })
    return route.fulfill({ contentType: 'text/javascript', body: outputText })
  })
  await page.goto('http://views.test/')
  return page
}
