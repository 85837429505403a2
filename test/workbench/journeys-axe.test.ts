import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { chromiumPath, hasChromium } from '../support/browser.ts'
import { useGrounds } from './support/grounds.ts'
import { panelOf, runPanel, whenIdle, whenOpen } from './support/page.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface Violation {
  readonly id: string
  readonly nodes: readonly { readonly html: string }[]
}

/** What axe finds on the page as it is now: rules with the first elements that break them. */
async function violations(tab: Page): Promise<string[]> {
  await tab.evaluate(axe)
  const { violations } = (await tab.evaluate('axe.run(document, { resultTypes: ["violations"] })')) as {
    violations: Violation[]
  }
  return violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 160))}`)
}

describe.skipIf(!hasChromium)(`the workbench for everybody (axe, needs ${chromiumPath})`, { timeout: 240_000 }, () => {
  const grounds = useGrounds({ isolated: true })

  it.each(['light', 'dark'] as const)('no violations, %s', async (colorScheme) => {
    const tab = await grounds.open({ colorScheme })
    const found: Record<string, string[]> = {}
    const look = async (name: string) => {
      found[name] = await violations(tab)
    }
    await whenOpen(tab)
    await whenIdle(tab)
    await look('read')
    await panelOf(tab, 'attention').locator('.diopter-mark').first().click()
    await whenIdle(tab)
    await look('read, a head selected')
    await panelOf(tab, 'lens').getByRole('button', { name: 'Show the numbers' }).click()
    await panelOf(tab, 'lens').getByText('What exactly was run').click()
    await panelOf(tab, 'lens').getByText('More settings').click()
    await look('read, numbers and spec')
    await tab.getByRole('tab', { name: 'Cause' }).click()
    await runPanel(tab, 'patch')
    await panelOf(tab, 'patch').locator('.diopter-mark').nth(9).click()
    await look('cause')
    await tab.getByRole('button', { name: 'Open this run' }).click()
    await tab.getByRole('dialog').getByText('Loss of every token').nth(2).waitFor({ timeout: 60_000 })
    await look('runs behind a cell')
    await tab.keyboard.press('Escape')
    await tab.getByRole('tab', { name: 'Circuits' }).click()
    await runPanel(tab, 'heads')
    await look('circuits')
    await tab.getByRole('tab', { name: 'Train' }).click()
    await tab.getByRole('button', { name: /^Train \d+ steps/ }).click()
    await tab.locator('.picture svg').first().waitFor({ timeout: 60_000 })
    await look('training')
    await whenIdle(tab)
    await tab.getByRole('button', { name: 'Show its log' }).click()
    await tab.locator('.log-pictures svg').first().waitFor()
    await look('logs')
    await tab.getByRole('button', { name: /^Model:/ }).click()
    await look('models')
    await tab.keyboard.press('Escape')
    await tab.getByRole('button', { name: 'Add an intervention' }).click()
    await look('new intervention')
    await tab.getByRole('button', { name: 'Add', exact: true }).click()
    await tab.getByRole('button', { name: 'Keys and help' }).click()
    await look('help')
    await tab.keyboard.press('Escape')
    await tab.getByRole('button', { name: /^Jobs/ }).click()
    await look('jobs')
    await tab.context().close()
    expect(Object.entries(found).filter(([, list]) => list.length > 0)).toEqual([])
  })

  it('no violations on a narrow screen, in each pane', async () => {
    const tab = await grounds.open({ viewport: { width: 400, height: 800 } })
    await whenOpen(tab)
    await whenIdle(tab)
    for (const pane of ['Setup', 'Results', 'Inspector']) {
      await tab.getByRole('button', { name: pane, exact: true }).click()
      expect(await violations(tab)).toEqual([])
      // Nothing makes the page itself scroll sideways.
      expect(await tab.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    }
    await tab.context().close()
  })
})
