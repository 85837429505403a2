import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { launchChromium } from '../../support/browser.ts'
import { buildPage, openTab, type TabOptions } from './page.ts'
import { type StaticHost, startStaticHost } from './static-host.ts'
import type { BuiltPage } from './worker-page.ts'

/** What the journeys of a file share, there while its tests run. */
export interface Grounds {
  readonly host: StaticHost
  /** The built page's folder. */
  readonly folder: string
  /** A tab of its own with the page, closed after the test; at the static host unless `url` is given. */
  open(options?: TabOptions & { readonly url?: string }): Promise<Page>
}

/** Builds the page before the tests around this call, serves it (with threads where `isolated`), and takes all of it away after them. */
export function useGrounds(options: { readonly isolated: boolean }): Grounds {
  let built: BuiltPage
  let host: StaticHost
  let browser: Browser
  const tabs: Page[] = []
  beforeAll(async () => {
    built = await buildPage()
    host = await startStaticHost(built.folder, options)
    browser = await launchChromium()
  }, 120_000)
  afterEach(async () => {
    for (const tab of tabs.splice(0)) await tab.context().close()
  })
  afterAll(async () => {
    await browser?.close()
    await host?.close()
    await built?.remove()
  })
  return {
    get host() {
      return host
    },
    get folder() {
      return built.folder
    },
    async open({ url = host.url, ...how } = {}) {
      const tab = await openTab(browser, url, how)
      tabs.push(tab)
      return tab
    },
  }
}
