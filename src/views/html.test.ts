import { describe, expect, it } from 'vitest'
import { awkwardTokens, examples } from './examples.ts'
import { htmlReport, type ReportBlock } from './html.ts'
import { type ViewName, type ViewSpec, views } from './registry.ts'

const blocks = (Object.keys(views) as ViewName[]).map((view) => ({ view, props: examples[view] }) as ViewSpec)
const hostile = '<script>alert(1)</script><img src=x onerror=alert(1)>"\''

describe('HTML reports', () => {
  const report = htmlReport({ title: 'All views', blocks })

  it('holds a picture and its numbers for every view', () => {
    // Checks are a table only.
    expect(report.match(/<svg /g)).toHaveLength(blocks.length - 1)
    expect(report.match(/<table /g)).toHaveLength(blocks.length)
    expect(report.match(/<svg [^>]*role="img" aria-label="[^"]+"/g)).toHaveLength(blocks.length - 1)
    expect(report).toContain('<td class="verdict fails">✗ fails</td>')
  })

  it('loads nothing and runs nothing', () => {
    expect(report).not.toMatch(/<script|<link|<img|@import|url\(|\bon\w+=/)
    expect(report.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:/)
    expect(report).toContain('default-src &#39;none&#39;')
    expect(report).toContain('prefers-color-scheme: dark')
  })

  it('escapes everything it is given', () => {
    const tokens = [...awkwardTokens, hostile]
    const all: ReportBlock[] = [
      { heading: hostile, text: `${hostile}\n\n${hostile}` },
      { title: hostile, table: { columns: [hostile], rows: tokens.map((token) => [token]) } },
      {
        view: 'tokenStrip',
        note: hostile,
        props: { title: hostile, tokens, values: tokens.map(() => 1), valueLabel: hostile },
      },
      {
        view: 'checksList',
        props: {
          title: hostile,
          checks: [{ name: hostile, verdict: 'holds', claimed: hostile, measured: hostile, why: hostile }],
        },
      },
    ]
    const page = htmlReport({ title: hostile, blocks: all })
    expect(page).not.toMatch(/<script|<img|<b>/)
    expect(/[\p{Cc}\p{Cf}\p{Cs}]/u.exec(page.replaceAll('\n', ''))).toBeNull()
  })
})
