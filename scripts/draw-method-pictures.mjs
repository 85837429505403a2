// Draws the pictures of docs/methods anew: each is the first picture of its page's first command. Needs `npm run build`.
//
//     node scripts/draw-method-pictures.mjs [PAGE ...]      such as patch lens; all pages with a picture unless said
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const pages = join(root, 'docs', 'methods')
const asked = process.argv.slice(2)
const names = asked.length > 0 ? asked : readdirSync(pages).flatMap((file) => file.match(/^(.*)\.md$/)?.[1] ?? [])
const folder = mkdtempSync(join(tmpdir(), 'diopter-pictures-'))
copyFileSync(join(root, 'README.md'), join(folder, 'README.md'))

for (const name of names) {
  const text = readFileSync(join(pages, `${name}.md`), 'utf8')
  const command = /^ *diopter (.*)$/m.exec(text)?.[1]
  if (!text.includes(`](${name}.svg)`) || command === undefined) continue
  // As a shell reads it: double quotes hold together.
  const words = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain)
  execFileSync(process.execPath, [join(root, 'dist', 'cli', 'main.js'), ...words, '--svg', 'picture.svg'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  copyFileSync(join(folder, 'picture.svg'), join(pages, `${name}.svg`))
}
rmSync(folder, { recursive: true })
