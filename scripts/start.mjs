// `npm start`: builds what is missing or older than its sources, and starts the workbench with the flags that are given:
// npm start -- --port 4300 --no-open
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')

/** When a file, or the newest file in a folder, was changed; tests do not count. */
function changed(path) {
  const information = statSync(path)
  if (!information.isDirectory()) return /\.test\.tsx?$/.test(path) ? 0 : information.mtimeMs
  return Math.max(0, ...readdirSync(path).map((name) => changed(join(path, name))))
}

/** What both builds are made from. */
const sources = ['src', 'checkpoints', 'scripts/page', 'package-lock.json', 'tsdown.config.ts', 'vite.config.ts']

/** The script behind a command of an installed package. */
function binary(name) {
  const folder = join(root, 'node_modules', name)
  if (!existsSync(folder)) {
    console.error(`${name} is not installed: run \`npm ci\` first.`)
    process.exit(1)
  }
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return join(folder, typeof bin === 'string' ? bin : bin[name])
}

function buildIfOld(result, what, name, ...args) {
  const file = join(root, result)
  if (existsSync(file) && statSync(file).mtimeMs >= newest) return
  console.error(`Building ${what} ...`)
  const { status } = spawnSync(process.execPath, [binary(name), ...args], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (status === 0) return
  rmSync(file, { force: true }) // half of a build must not count as one
  console.error(`${what} could not be built.`)
  process.exit(1)
}

const newest = Math.max(...sources.map((path) => changed(join(root, path))))
buildIfOld('dist/cli/main.js', 'the package', 'tsdown')
buildIfOld('dist/workbench/index.html', 'the page', 'vite', 'build')

// Ctrl-C reaches both processes: the workbench ends by itself, and this one with it.
process.on('SIGINT', () => undefined)
const workbench = spawn(process.execPath, [join(root, 'dist/cli/main.js'), 'workbench', ...process.argv.slice(2)], {
  stdio: 'inherit',
})
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => workbench.kill(signal))
workbench.on('exit', (code) => {
  process.exitCode = code ?? 1
})
