import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { colorScale } from '../colors.ts'
import { examples } from '../examples.ts'
import { type ViewName, views } from '../registry.ts'
import { hasChromium, launch, openPage } from './page.fixture.ts'

// Made in the page: 40 layers by 60 positions, values from -1 to 1 that say where they are.
const LARGE = `
  const rows = 40, columns = 60
  const value = (row, column) => (row * columns + column) / (rows * columns / 2) - 1
  window.heat = {
    title: 'Large', valueLabel: 'logits', rowAxis: 'layer', columnAxis: 'position', domain: [-1, 1],
    values: Array.from({ length: rows }, (_, row) => Array.from({ length: columns }, (_, column) => value(row, column))),
    rowLabels: Array.from({ length: rows }, (_, row) => 'layer ' + row),
    columnLabels: Array.from({ length: columns }, (_, column) => 't' + column),
  }
  window.places = {
    rows: Array.from({ length: rows }, (_, layer) => ({ layer })),
    columns: Array.from({ length: columns }, (_, position) => ({ position })),
  }`

const SETUP = `(async () => {
  window.lib = await import('/views/index.ts')
  ${LARGE}
  window.events = []
  const handlers = {
    onSelect: ({ row, column, place }) => events.push({ row, column, place }),
    onHover: (mark) => events.push({ hovered: mark?.place ?? null }),
    onClear: () => events.push('clear'),
  }
  window.show = (view, props, interactive) => {
    window.mounted?.destroy()
    events.length = 0
    window.current = { ...props, ...handlers, ...interactive }
    window.mounted = lib.views[view].mount(document.querySelector('#here'), window.current)
  }
  window.change = (interactive) => mounted.update({ ...current, ...interactive })
})()`

describe.skipIf(!hasChromium)('large and linked views in Chromium (needs Chromium; set CHROMIUM to its path)', () => {
  let browser: Browser
  let page: Page

  beforeAll(async () => {
    browser = await launch()
    page = await openPage(browser, { viewport: { width: 1280, height: 1600 } })
    await page.evaluate(SETUP)
  })
  afterAll(() => browser?.close())

  const tooltip = () => page.locator('[role=tooltip]')
  const grid = () => page.locator('[role=grid]')
  const events = () => page.evaluate<unknown[]>('events')
  /** The middle of a cell, in the window. */
  const cell = async (row: number, column: number, rows = 40, columns = 60) => {
    const box = (await page.locator('canvas').boundingBox())!
    return { x: box.x + ((column + 0.5) * box.width) / columns, y: box.y + ((row + 0.5) * box.height) / rows }
  }

  it('draws many cells on a canvas, in the colours of the scale', async () => {
    await page.evaluate(`show('heatMap', heat, { places })`)
    expect(await page.locator('.diopter-mark').count()).toBe(0)
    const pixel = await page.evaluate<number[]>(`(() => {
      const canvas = document.querySelector('canvas')
      const [x, y] = [(45.5 / 60) * canvas.width, (7.5 / 40) * canvas.height]
      return [...canvas.getContext('2d').getImageData(x, y, 1, 1).data]
    })()`)
    const expected = colorScale({ kind: 'diverging', values: [], domain: [-1, 1] }).color((7 * 60 + 45) / 1200 - 1)
    for (const channel of [0, 1, 2]) expect(Math.abs(pixel[channel]! - expected[channel]!)).toBeLessThanOrEqual(2)
    expect(pixel[3]).toBe(255)
  })

  it('says what is pointed at, and which place it stands for', async () => {
    await page.evaluate(`show('heatMap', heat, { places })`)
    const { x, y } = await cell(7, 45)
    await page.mouse.move(x, y)
    expect(await tooltip().textContent()).toBe('layer: layer 7\nposition 45: t45\nlogits: -0.6125')
    await page.mouse.move(2, 2)
    expect(await tooltip().isVisible()).toBe(false)
    expect(await events()).toEqual([{ hovered: { layer: 7, position: 45 } }, { hovered: null }])
  })

  it('is walked and chosen by keyboard, with an announcement', async () => {
    await page.evaluate(`show('heatMap', heat, { places })`)
    await grid().focus()
    for (const key of ['ArrowDown', 'PageDown', 'End', 'ArrowLeft', 'Enter', 'Escape']) await page.keyboard.press(key)
    expect(await page.locator('#here [role=status]').textContent()).toContain('layer: layer 11\nposition 58')
    expect(await page.locator('[role=gridcell]').getAttribute('aria-label')).toContain('layer: layer 11')
    expect(await page.locator('[role=gridcell]').getAttribute('aria-colindex')).toBe('59')
    const happened = (await events()).filter((event) => typeof event === 'string' || 'row' in (event as object))
    expect(happened).toEqual([{ row: 11, column: 58, place: { layer: 11, position: 58 } }, 'clear'])
    expect(await tooltip().isVisible()).toBe(false)
  })

  it('outlines what is selected without drawing the picture again', async () => {
    await page.evaluate(`show('heatMap', heat, { places, selected: {} })`)
    expect(await page.locator('[data-chosen]').count()).toBe(0)
    // A picture that is drawn again would lose this dot.
    await page.evaluate(`document.querySelector('canvas').getContext('2d').fillRect(0, 0, 9, 9)`)
    await page.evaluate(`change({ selected: { layer: 3, head: 2 } })`)
    expect(await page.locator('[data-chosen="3,0"]').count()).toBe(1)
    await page.evaluate(`change({ selected: { layer: 3, position: 9 } })`)
    expect(
      await page.locator('[data-chosen]').evaluateAll((all) => all.map((e) => (e as HTMLElement).dataset.chosen)),
    ).toEqual(['3,9'])
    const dot = `[...document.querySelector('canvas').getContext('2d').getImageData(1, 1, 1, 1).data]`
    expect(await page.evaluate(dot)).toEqual([0, 0, 0, 255])
    await page.evaluate(`change({ title: 'Another', selected: {} })`)
    expect(await page.evaluate(dot)).not.toEqual([0, 0, 0, 255])
    expect(await grid().getAttribute('aria-label')).toBe('Another')
  })

  it('outlines marks of small pictures too', async () => {
    const strip = JSON.stringify(examples.tokenStrip)
    const columns = examples.tokenStrip.tokens.map((_, position) => ({ position }))
    await page.evaluate(
      `show('tokenStrip', ${strip}, { places: ${JSON.stringify({ columns })}, selected: { position: 2 } })`,
    )
    const pressed = page.locator('[aria-pressed=true]')
    expect(await pressed.evaluateAll((all) => all.map((e) => (e as SVGElement).dataset.column))).toEqual(['2'])
    await page.evaluate(`change({ selected: { layer: 2 } })`)
    expect(await pressed.count()).toBe(0)
  })

  it('scrolls a wide lens grid in its own box, its text readable and its labels in sight', async () => {
    await page.evaluate(`(() => {
      const tokens = Array.from({ length: 256 }, (_, i) => ' word' + i)
      const layerLabels = ['embed', '0', '1']
      const cells = layerLabels.map((_, l) => tokens.map((token) => ({ top: [{ token, probability: (l + 1) / 4 }] })))
      show('lensGrid', { title: 'Lens', cells, layerLabels, tokens })
    })()`)
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    await grid().focus()
    await page.keyboard.press('End')
    expect(await tooltip().textContent()).toContain('after token 255: ·word255')
    const [box, last, label] = await Promise.all([
      grid().boundingBox(),
      page.locator('[role=gridcell]').boundingBox(),
      page.locator('svg text', { hasText: 'embed' }).boundingBox(),
    ])
    expect(last!.x + last!.width).toBeLessThanOrEqual(box!.x + box!.width + 1)
    expect(label!.x).toBeGreaterThanOrEqual(box!.x - 1)
    expect((await page.locator('canvas').boundingBox())!.width).toBeLessThan(box!.width + 1)
  })

  it('draws typed patterns as it draws nested ones', async () => {
    await page.evaluate(`(() => {
      const [layers, heads, n] = [4, 8, 40]
      const data = Float32Array.from({ length: layers * heads * n * n }, (_, i) => {
        const [key, query] = [i % n, Math.floor(i / n) % n]
        return key > query ? 0 : ((i * 7919) % 101) / 101
      })
      const at = (l, h, q) => ((l * heads + h) * n + q) * n
      const nested = Array.from({ length: layers }, (_, l) => Array.from({ length: heads }, (_, h) =>
        Array.from({ length: n }, (_, q) => [...data.subarray(at(l, h, q), at(l, h, q) + n)])))
      window.stack = { shape: [layers, heads, n, n], data }
      window.tokens = Array.from({ length: n }, (_, i) => 't' + i)
      window.nested = nested
    })()`)
    const picture = (patterns: string) =>
      page.evaluate<string>(`(() => {
        show('attentionHeads', { title: 'Heads', patterns: ${patterns}, tokens })
        return document.querySelector('canvas').toDataURL()
      })()`)
    const typed = await picture('stack')
    expect(typed.length).toBeGreaterThan(10_000)
    expect(await picture('nested')).toBe(typed)
    const { x, y } = await cell(2, 5, 4, 8)
    await page.mouse.click(x, y)
    expect(await tooltip().textContent()).toContain('layer 2, head 5\nweight on first token:')
    expect((await events()).at(-1)).toEqual({ row: 2, column: 5, place: {} })
  })

  describe('attention on tokens', () => {
    const tokens = ['a', 'b', 'c', 'd']
    const pattern = [
      [1, 0, 0, 0],
      [0.25, 0.75, 0, 0],
      [0.5, 0.125, 0.375, 0],
      [0, 0.875, 0.125, 0],
    ]
    const places = { all: { layer: 1, head: 2 }, rows: [0, 1, 2, 3].map((position) => ({ position })) }
    const token = (index: number) => page.locator(`[data-token="${index}"]`)
    const weights = () =>
      page.locator('[data-token]').evaluateAll((all) => all.map((e) => e.lastElementChild!.textContent))
    const show = () =>
      page.evaluate(
        `show('attentionTokens', ${JSON.stringify({ title: 'L1H2', pattern, tokens })}, { places: ${JSON.stringify(places)} })`,
      )

    it('shows what the token that is pointed at reads, and who reads it', async () => {
      await show()
      await token(1).hover()
      // b reads a and itself; c and d read b.
      expect(await weights()).toEqual(['.25', '.75', '.13', '.88'])
      await token(2).hover()
      expect(await weights()).toEqual(['.50', '.13', '.38', '.13'])
      expect(await page.getByText('Token 2 “c” reads').textContent()).toBe(
        'Token 2 “c” reads “a” 0.5, “c” 0.38, “b” 0.13; read by “d” 0.13.',
      )
    })

    it('locks by click, unlocks by Escape, and follows the page', async () => {
      await show()
      await token(1).click()
      await token(3).hover()
      expect(await weights()).toEqual(['.25', '.75', '.13', '.88'])
      expect(await token(1).getAttribute('aria-pressed')).toBe('true')
      expect(await events()).toContainEqual({ row: 1, column: 1, place: { layer: 1, head: 2, position: 1 } })
      await page.keyboard.press('Escape')
      expect(await weights()).toEqual(['', '.88', '.13', ''])
      expect((await events()).at(-1)).toBe('clear')
      await page.evaluate(`change({ selected: { layer: 0, head: 0, position: 2 } })`)
      expect(await token(2).getAttribute('aria-pressed')).toBe('true')
      expect(await weights()).toEqual(['.50', '.13', '.38', '.13'])
    })

    it('is walked by keyboard, and its grid points back at the tokens', async () => {
      await show()
      await token(3).focus()
      await page.keyboard.press('ArrowLeft')
      await page.keyboard.press('ArrowLeft')
      expect(await weights()).toEqual(['.25', '.75', '.13', '.88'])
      await page.keyboard.press('Enter')
      expect(await token(1).getAttribute('aria-pressed')).toBe('true')
      await page.keyboard.press('Escape')
      const { x, y } = await cell(2, 0, 4, 4)
      await page.mouse.move(x, y)
      expect(await weights()).toEqual(['.50', '.13', '.38', '.13'])
      expect(await tooltip().textContent()).toBe('from query 2: c\nto key 0: a\nattention weight: 0.5')
    })
  })

  it('goes from one view to another in place', async () => {
    await page.evaluate(`(() => {
      mounted.destroy()
      window.mounted = lib.mountView(document.querySelector('#here'), { view: 'heatMap', props: heat, places })
      mounted.update({ view: 'barList', props: ${JSON.stringify(examples.barList)} })
    })()`)
    expect(await page.locator('.diopter-mark').count()).toBe(examples.barList.bars.length)
    expect(await page.locator('canvas').count()).toBe(0)
  })

  it('makes PNG files and tables', async () => {
    const png = await page.evaluate<{ type: string; width: number; svgWidth: number; dark: number }>(`(async () => {
      const svg = lib.renderSvg('barList', ${JSON.stringify(examples.barList)})
      const blob = await lib.toPng(svg, 2)
      const bitmap = await createImageBitmap(blob)
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height)
      const context = canvas.getContext('2d')
      context.drawImage(bitmap, 0, 0)
      const pixels = context.getImageData(0, 0, bitmap.width, bitmap.height).data
      let dark = 0
      for (let i = 0; i < pixels.length; i += 4) if (pixels[i] + pixels[i + 1] + pixels[i + 2] < 150) dark++
      return { type: blob.type, width: bitmap.width, svgWidth: Number(/width="(\\d+)"/.exec(svg)[1]), dark }
    })()`)
    expect(png.type).toBe('image/png')
    expect(png.width).toBe(2 * png.svgWidth)
    // Its words are there.
    expect(png.dark).toBeGreaterThan(1000)
    const table = await page.evaluate<string[]>(`(() => {
      const rows = Array.from({ length: 2005 }, (_, i) => [' t', i])
      const table = lib.tableElement({ columns: ['token', 'loss'], rows }, 'Losses')
      return [table.caption.textContent, table.rows[0].cells[1].scope, table.rows[1].textContent, table.tFoot.textContent, String(table.tBodies[0].rows.length)]
    })()`)
    expect(table).toEqual(['Losses', 'col', '·t0', '5 more rows are not shown: the CSV file has all 2005.', '2000'])
  })

  it.each(['light', 'dark'] as const)('has no accessibility violations in %s', async (colorScheme) => {
    const dark = await openPage(browser, { colorScheme })
    await dark.evaluate(SETUP)
    await dark.evaluate(readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'))
    const found: string[] = []
    const check = async (name: string) => {
      const violations = await dark.evaluate<string[]>(
        `axe.run('#here').then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes[0].html.slice(0, 200)))`,
      )
      found.push(...violations.map((violation) => `${name}: ${violation}`))
    }
    for (const view of Object.keys(views) as ViewName[]) {
      await dark.evaluate(`show('${view}', ${JSON.stringify(examples[view])})`)
      await check(view)
    }
    await dark.evaluate(`show('heatMap', heat, { places, selected: { layer: 1 } })`)
    await check('canvas')
    await dark.evaluate(
      `document.querySelector('#here').replaceChildren(lib.tableElement(lib.viewTable('heatMap', heat), 'Numbers'))`,
    )
    await check('table')
    expect(found).toEqual([])
    await dark.close()
  })
})
