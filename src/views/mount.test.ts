import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { awkwardTokens, examples } from './examples.ts'
import { htmlReport } from './html.ts'
import { hasChromium, launch, openPage } from './live/page.fixture.ts'
import { renderSvg, type ViewName, type ViewSpec, views } from './registry.ts'

const MOUNT = `async ({ view, props }) => {
  const { views } = await import('/views/index.ts')
  window.selections = []
  window.onSelect = (selection) => window.selections.push(selection)
  window.mounted?.destroy()
  window.mounted = views[view].mount(document.querySelector('#here'), { ...props, onSelect: window.onSelect })
}`

describe.skipIf(!hasChromium)('mounted views (needs Chromium; set CHROMIUM to its path)', () => {
  let browser: Browser
  let page: Page

  beforeAll(async () => {
    browser = await launch()
    page = await openPage(browser)
  })
  afterAll(() => browser?.close())

  const mount = (view: ViewName, props: object) => page.evaluate(`(${MOUNT})(${JSON.stringify({ view, props })})`)
  const tooltip = () => page.locator('[role=tooltip]')
  const cell = (row: number, column: number) =>
    page.locator(`.diopter-mark[data-row="${row}"][data-column="${column}"]`)
  const selections = () =>
    page.evaluate<{ row: number; column: number; value: number | null; label: string }[]>('window.selections')

  it('shows labels and the exact value on hover', async () => {
    await mount('heatMap', examples.heatMap)
    await cell(1, 4).hover()
    expect(await tooltip().textContent()).toBe('layer: layer 1\nposition 4: ·Mary\nlogit difference (logits): 2')
    expect(await tooltip().isVisible()).toBe(true)
    await page.mouse.move(0, 0)
    expect(await tooltip().isVisible()).toBe(false)
  })

  it('selects by click, and by keyboard after moving with the arrows', async () => {
    await mount('heatMap', examples.heatMap)
    await cell(0, 0).click()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowRight')
    expect(await tooltip().textContent()).toContain('layer: layer 1\nposition 1: When')
    await page.keyboard.press('Enter')
    expect((await selections()).map(({ row, column }) => [row, column])).toEqual([
      [0, 0],
      [1, 1],
    ])
    expect(await page.locator('[aria-pressed=true]').count()).toBe(1)
    await page.keyboard.press('Escape')
    expect(await tooltip().isVisible()).toBe(false)
  })

  it('keeps one tab stop, and focus and selection through an update', async () => {
    await mount('tokenStrip', examples.tokenStrip)
    await cell(0, 2).click()
    await page.evaluate(
      `window.mounted.update({ ...${JSON.stringify(examples.tokenStrip)}, title: 'Another', onSelect: window.onSelect })`,
    )
    expect(await page.locator('svg').getAttribute('aria-label')).toBe('Another')
    expect(await page.locator('[tabindex="0"]').count()).toBe(1)
    expect(await page.evaluate('document.activeElement.dataset.column')).toBe('2')
    expect(await page.locator('[aria-pressed=true]').getAttribute('data-column')).toBe('2')
    await page.keyboard.press(' ')
    expect(await selections()).toHaveLength(2)
  })

  it('leaves nothing behind when destroyed', async () => {
    await mount('barList', examples.barList)
    await page.evaluate('window.mounted.destroy()')
    expect(await page.locator('#here > *').count()).toBe(0)
  })

  // Live, attention on tokens is a text beside a grid, with tests of its own.
  const withMarks = (Object.keys(views) as ViewName[]).filter((view) => view !== 'attentionTokens')
  it.each(withMarks)('%s mounts, and each mark can be chosen', async (view) => {
    await mount(view, examples[view])
    const marks = page.locator('.diopter-mark')
    await marks.last().dispatchEvent('click')
    const [selection] = await selections()
    expect(selection!.label).toBe(await marks.last().getAttribute('aria-label'))
    expect(await page.locator('#here title').count()).toBe(0)
  })

  it('writes well-formed XML, whatever the tokens', async () => {
    const strip = {
      title: awkwardTokens.join(''),
      tokens: awkwardTokens,
      values: awkwardTokens.map(() => 1),
      valueLabel: '<&>',
    }
    const documents = [
      ...(Object.keys(views) as ViewName[]).map((view) => renderSvg(view, examples[view])),
      renderSvg('tokenStrip', strip),
    ]
    const errors = await page.evaluate(
      (svgs) =>
        svgs.map(
          (svg) =>
            new DOMParser().parseFromString(svg, 'image/svg+xml').querySelector('parsererror')?.textContent ?? null,
        ),
      documents,
    )
    expect(errors.filter((error) => error !== null)).toEqual([])
  })

  it('draws no label outside its picture', async () => {
    for (const view of Object.keys(views) as ViewName[]) {
      await page.setContent(renderSvg(view, examples[view]))
      const outside = await page.evaluate(() => {
        const frame = document.querySelector('svg')!.getBoundingClientRect()
        return [...document.querySelectorAll('text')]
          .filter((text) => {
            const box = text.getBoundingClientRect()
            return (
              box.left < frame.left - 1 ||
              box.right > frame.right + 1 ||
              box.top < frame.top - 1 ||
              box.bottom > frame.bottom + 1
            )
          })
          .map((text) => text.textContent)
      })
      expect(outside, view).toEqual([])
    }
  })

  it('lays out a report as it was meant', async () => {
    const blocks = (Object.keys(views) as ViewName[]).map((view) => ({ view, props: examples[view] }) as ViewSpec)
    const report = await browser.newPage({ colorScheme: 'dark' })
    const requests: string[] = []
    report.on('request', (request) => requests.push(request.url()))
    await report.setContent(htmlReport({ title: 'All views', blocks }))
    expect(await report.locator('figure[aria-label]').count()).toBe(blocks.length - 1)
    expect(await report.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe('rgb(23, 24, 27)')
    expect(await report.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true)
    expect(requests).toEqual([])
    await report.close()
  })
})
