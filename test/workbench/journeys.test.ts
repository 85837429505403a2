import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { chromiumPath, hasChromium } from '../support/browser.ts'
import { useGrounds } from './support/grounds.ts'
import { panelOf, runPanel, type TabOptions, whenIdle, whenOpen } from './support/page.ts'

describe.skipIf(!hasChromium)(`journeys through the workbench (needs ${chromiumPath})`, { timeout: 180_000 }, () => {
  const grounds = useGrounds({ isolated: true })
  let tab: Page
  const open = async (options: TabOptions = {}) => {
    tab = await grounds.open(options)
  }
  /** Opens the tab's address in a browser that has seen nothing. */
  const reopen = async () => {
    const { hash } = new URL(tab.url())
    await tab.context().close()
    await open({ hash })
  }
  const mark = (method: string, label: string) =>
    panelOf(tab, method).locator(`.diopter-mark[aria-label^="${label}"]`).first()

  it('shows results before a model is loaded', async () => {
    // The model never comes.
    tab = await grounds.open({ url: 'about:blank' })
    await tab.route('**/models/**', () => undefined)
    await tab.goto(grounds.host.url)
    await panelOf(tab, 'predict').locator('.diopter-mark').first().waitFor()
    await panelOf(tab, 'lens').getByText('the lens at the last layer is the model').waitFor()
    expect(await tab.getByText('Opening; results below come from earlier runs.').isVisible()).toBe(true)
  })

  it('reads with the lens: typing changes the grid, a cell selects its place everywhere', async () => {
    await open()
    await whenOpen(tab)
    await tab.getByRole('textbox', { name: 'Clean prompt' }).fill('She was very happy')
    await whenIdle(tab)
    const cell = panelOf(tab, 'lens').locator('.diopter-mark[data-row="2"][data-column="1"]')
    expect(await cell.getAttribute('aria-label')).toContain('was')
    await cell.click()
    await tab.getByRole('heading', { name: /Layer 1\s*Position 1/ }).waitFor()
    const selected = panelOf(tab, 'predict').locator('.diopter-mark[aria-pressed=true]')
    expect(await selected.getAttribute('aria-label')).toContain('was')
    await tab.keyboard.press('Escape')
    await tab.getByText('Click a cell, a head or a token').waitFor()
  })

  it('attention: a head opens large, a token is read by pointing and locked by a click', async () => {
    await open()
    await panelOf(tab, 'attention').locator('.diopter-mark[data-row="1"][data-column="3"]').first().click()
    const tokens = panelOf(tab, 'attention').getByRole('group', { name: 'L1H3: tokens' })
    await tokens.getByRole('button').nth(2).hover()
    const sentence = panelOf(tab, 'attention').locator('[aria-live=polite]').first()
    await expect.poll(() => sentence.textContent()).toContain('Token 2')
    await tokens.getByRole('button').nth(3).click()
    await tokens.getByRole('button').nth(1).hover()
    await expect.poll(() => sentence.textContent()).toContain('Token 3')
    await tab.getByRole('heading', { name: /Layer 1\s*Head 3/ }).waitFor()
  })

  it('cause: what is quick runs by itself; a cell opens its own run beside the clean and the corrupted one', async () => {
    await open({ hash: '#tab=cause' })
    await whenOpen(tab)
    for (const method of ['attribute', 'patch'])
      await panelOf(tab, method).getByText('ran by itself').waitFor({ timeout: 60_000 })
    await mark('patch', 'layer: layer 1').click()
    await tab.getByRole('button', { name: 'Open this run' }).click()
    const drawer = tab.getByRole('dialog', { name: 'The runs behind this cell' })
    for (const name of ['clean', 'corrupted']) await drawer.getByRole('region', { name, exact: true }).waitFor()
    await expect.poll(() => drawer.getByText('Loss of every token').count(), { timeout: 60_000 }).toBeGreaterThan(2)
    await tab.keyboard.press('Escape')
    await drawer.waitFor({ state: 'hidden' })
  })

  it('ablation: a chip changes the output, and switching it off brings it back', async () => {
    await open({ hash: '#selection=layer.0,head.0' })
    await whenOpen(tab)
    await whenIdle(tab)
    const next = () => panelOf(tab, 'predict').locator('text=/nats a token/').first().textContent()
    const before = await next()
    await tab.getByRole('button', { name: 'Ablate this head' }).click()
    await expect.poll(next, { timeout: 30_000 }).not.toBe(before)
    await tab.getByRole('switch', { name: 'Zero L0H0: on' }).click()
    await expect.poll(next, { timeout: 30_000 }).toBe(before)
  })

  it('cancelling keeps what is done', async () => {
    await open({
      hash: `#tab=cause&panels=${encodeURIComponent(JSON.stringify({ patch: { parameters: { what: 'neurons' } } }))}`,
    })
    await whenOpen(tab)
    const panel = panelOf(tab, 'patch')
    await panel.getByRole('button', { name: 'Run', exact: true }).click()
    await panel.locator('.diopter-mark').first().waitFor({ timeout: 120_000 })
    await panel.getByRole('button', { name: 'Cancel' }).click()
    await whenIdle(tab)
    await panel.getByText('Cancelled: this is what was done until then.').waitFor()
    expect(await panel.locator('.diopter-mark').count()).toBeGreaterThan(0)
    // And the engine answers the next one.
    await tab.keyboard.press('1')
    await runPanel(tab, 'predict')
    expect(await panelOf(tab, 'predict').getByText('nats a token').count()).toBeGreaterThan(0)
  })

  it('a link reopens the same page, and going back undoes a step', async () => {
    await open()
    await whenOpen(tab)
    await tab.getByRole('textbox', { name: 'Clean prompt' }).fill('The dogs who came from the city')
    await tab.keyboard.press('Escape')
    await tab.getByRole('tab', { name: 'Cause' }).click()
    await runPanel(tab, 'attribute')
    const link = tab.url()
    const total = await panelOf(tab, 'attribute').getByText('Direct attribution of').first().textContent()
    await tab.goBack()
    await tab.goBack()
    await expect.poll(() => tab.getByRole('tab', { name: 'Read' }).getAttribute('aria-selected')).toBe('true')
    expect(await tab.getByRole('textbox', { name: 'Clean prompt' }).inputValue()).toBe(
      'The dogs who came from the city',
    )
    await tab.context().close()
    await open({ hash: new URL(link).hash })
    await whenOpen(tab)
    await whenIdle(tab)
    expect(await tab.getByRole('tab', { name: 'Cause' }).getAttribute('aria-selected')).toBe('true')
    expect(await panelOf(tab, 'attribute').getByText('Direct attribution of').first().textContent()).toBe(total)
  })

  it('a link with junk says what it does not understand, and opens all the same', async () => {
    await open({ hash: '#tab=somewhere&colour=red' })
    await tab.getByText('cannot be read; the usual one is used instead').first().waitFor()
    await tab.getByText('which this page does not know').first().waitFor()
    expect(await tab.getByRole('tab', { name: 'Read' }).getAttribute('aria-selected')).toBe('true')
  })

  it('everything by keys: tabs, prompt, run, grid, selection, help', async () => {
    await open()
    await whenOpen(tab)
    await tab.keyboard.press('?')
    await tab.getByRole('dialog', { name: 'Keys and help' }).waitFor()
    await tab.keyboard.press('Escape')
    await tab.getByRole('dialog').waitFor({ state: 'hidden' })
    await tab.keyboard.press('2')
    await tab.getByRole('tab', { name: 'Cause', selected: true }).waitFor()
    await tab.keyboard.press('1')
    await tab.keyboard.press('p')
    await tab.keyboard.press('ControlOrMeta+A')
    await tab.keyboard.type('He said')
    expect(await tab.getByRole('textbox', { name: 'Clean prompt' }).inputValue()).toBe('He said')
    await tab.keyboard.press('ControlOrMeta+Enter')
    await whenIdle(tab)
    const first = panelOf(tab, 'lens').locator('.diopter-mark[data-row="0"][data-column="0"]')
    await first.focus()
    await tab.keyboard.press('ArrowDown')
    await tab.keyboard.press('ArrowRight')
    await tab.keyboard.press('Enter')
    await tab.getByRole('heading', { name: /Layer 0\s*Position 1/ }).waitFor()
  })

  it('pinned results stand side by side, with their difference', async () => {
    await open()
    await whenOpen(tab)
    await whenIdle(tab)
    const panel = panelOf(tab, 'predict')
    await panel.getByRole('button', { name: 'Pin to compare' }).click()
    await tab
      .getByRole('textbox', { name: 'Clean prompt' })
      .fill('There was Miss Bates at the window, and everybody looked at Miss')
    await whenIdle(tab)
    await panel.getByRole('button', { name: 'Pin to compare' }).click()
    await tab.getByRole('button', { name: 'Compare 2' }).click()
    const compared = async () => {
      const drawer = tab.getByRole('dialog', { name: 'Pinned results' })
      await drawer.getByRole('region', { name: 'Difference' }).waitFor()
      return drawer.innerText()
    }
    const shown = await compared()
    expect(shown.split('Loss of every token').length).toBeGreaterThan(2)
    await reopen()
    expect(await compared()).toBe(shown)
  })

  it('trains a small model with live curves, and stops', async () => {
    await open({ hash: '#tab=train' })
    await tab.getByRole('button', { name: /^Train \d+ steps/ }).click()
    await tab.locator('.picture svg').first().waitFor({ timeout: 60_000 })
    await tab.getByRole('button', { name: 'Stop' }).click()
    await tab.getByRole('button', { name: /^Train \d+ steps/ }).waitFor({ timeout: 30_000 })
    expect(await tab.locator('.picture svg').count()).toBe(1)
    // A link trains again what it was made after.
    await reopen()
    await tab.getByRole('button', { name: 'Stop' }).waitFor()
    await tab.locator('.picture svg').first().waitFor({ timeout: 60_000 })
  })
})
