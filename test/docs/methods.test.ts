import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { runProgram } from '../../src/cli/program.ts'
import { methodNames } from '../../src/runs/index.ts'
import { shellWords } from '../support/cli.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = join(root, 'docs', 'methods')
const pages = readdirSync(folder)
  .filter((file) => file.endsWith('.md') && file !== 'README.md')
  .map((file) => ({ file, text: readFileSync(join(folder, file), 'utf8') }))
const commandsOf = (text: string) => [...text.matchAll(/^ *diopter (.+)$/gm)].map(([, line]) => line!)
/** Pages of what has no picture, and why the page says so. */
const NO_PICTURE = ['capture.md', 'generate.md', 'test-method.md']
const LARGEST_PICTURE = 60_000

describe('the pages of methods', () => {
  const index = readFileSync(join(folder, 'README.md'), 'utf8')
  const rows = [...index.matchAll(/^\| \[.+?\]\((.+?\.md)\) \| (.+?) \|/gm)].map(([, page, names]) => ({
    page: page!,
    names: [...names!.matchAll(/`(.+?)`/g)].map(([, name]) => name!),
  }))

  it('the index has every method, with a page that is there', () => {
    expect(rows.flatMap(({ names }) => names).sort()).toEqual([...methodNames].sort())
    for (const { page } of rows) expect(existsSync(join(folder, page)), page).toBe(true)
  })

  it('the index has every page', () => {
    for (const { file } of pages) expect(index).toContain(`](${file})`)
  })

  it.each(pages)('$file: links lead somewhere, pictures are small, three commands', ({ file, text }) => {
    for (const [, target] of text.matchAll(/\]\(([^)#]+)/g))
      expect(existsSync(join(folder, target!)), target).toBe(true)
    const pictures = [...text.matchAll(/!\[.+\]\((.+\.svg)\)/g)].map(([, picture]) => picture!)
    if (!NO_PICTURE.includes(file)) expect(pictures.length).toBeGreaterThan(0)
    for (const picture of pictures) {
      expect(readFileSync(join(folder, picture), 'utf8')).toMatch(/^<svg|^<\?xml/)
      expect(statSync(join(folder, picture)).size).toBeLessThan(LARGEST_PICTURE)
    }
    expect(commandsOf(text).length).toBeGreaterThanOrEqual(3)
    expect(text).toMatch(/\*\*(The q|Q)uestion\.\*\*/)
    for (const part of [/How to read it/, /How it misleads/, /Cost/]) expect(text).toMatch(part)
  })
})

// All in this process: starting sixty would take longer than the commands.
describe('the commands of the pages', () => {
  const place = mkdtempSync(join(tmpdir(), 'diopter-docs-'))
  const before = process.cwd()
  beforeAll(() => {
    copyFileSync(join(root, 'README.md'), join(place, 'README.md'))
    process.chdir(place)
  })
  afterAll(() => {
    process.chdir(before)
    rmSync(place, { recursive: true })
  })

  const commands = [...new Set(pages.flatMap(({ text }) => commandsOf(text)))]
  it.each(commands)('diopter %s', async (line) => {
    const written = { stdout: '', stderr: '' }
    const spies = (['stdout', 'stderr'] as const).map((name) =>
      vi.spyOn(process[name], 'write').mockImplementation((text) => {
        written[name] += String(text)
        return true
      }),
    )
    const code = await runProgram(shellWords(line)).finally(() => {
      for (const spy of spies) spy.mockRestore()
    })
    expect(code, written.stderr).toBe(0)
    expect(written.stdout).not.toBe('')
  })
})
