import { execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'tsdown'

const root = fileURLToPath(new URL('../..', import.meta.url))
export const sharedFolder = join(root, '..', 'shared')

/** What a command line did. */
export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The command line, built from source, in a folder of its own beside which `../shared` lies. */
export interface BuiltCli {
  readonly folder: string
  readonly entry: string
  run(args: readonly string[], environment?: Readonly<Record<string, string>>): Promise<Outcome>
  /** Starts it and sends SIGINT when stdout or stderr first shows `when`. */
  runInterrupted(args: readonly string[], when: RegExp): Promise<Outcome>
  remove(): Promise<void>
}

/** Builds the command line (Node 20 runs no TypeScript). */
export async function buildCli(): Promise<BuiltCli> {
  const cache = join(root, 'node_modules', '.cache')
  await mkdir(cache, { recursive: true })
  const outDir = await mkdtemp(join(cache, 'diopter-cli-'))
  await build({
    cwd: root,
    config: false,
    entry: { main: 'src/cli/main.ts' },
    outDir,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    dts: false,
    logLevel: 'error',
    fixedExtension: true,
  })
  const entry = join(outDir, 'main.mjs')
  const base = await mkdtemp(join(tmpdir(), 'diopter-'))
  const folder = join(base, 'work')
  await mkdir(folder)
  await symlink(sharedFolder, join(base, 'shared'))
  const env = (more: Readonly<Record<string, string>> = {}) => ({
    PATH: process.env.PATH,
    HF_HUB_CACHE: join(base, 'hub'),
    HF_HUB_OFFLINE: '1',
    ...more,
  })
  return {
    folder,
    entry,
    run: (args, environment) =>
      new Promise((done) => {
        execFile(
          process.execPath,
          [entry, ...args],
          { cwd: folder, env: env(environment), maxBuffer: 2 ** 28 },
          (error, stdout, stderr) => done({ code: error ? Number(error.code) : 0, stdout, stderr }),
        )
      }),
    runInterrupted: (args, when) =>
      new Promise((done) => {
        const child = spawn(process.execPath, [entry, ...args], { cwd: folder, env: env() })
        const seen = { stdout: '', stderr: '' }
        let sent = false
        for (const name of ['stdout', 'stderr'] as const) {
          child[name].on('data', (data: Buffer) => {
            seen[name] += data.toString()
            if (sent || !when.test(seen[name])) return
            sent = true
            child.kill('SIGINT')
          })
        }
        child.on('close', (code) => done({ code: code ?? -1, ...seen }))
      }),
    async remove() {
      await rm(outDir, { recursive: true })
      await rm(base, { recursive: true })
    },
  }
}

/** The words of a command line as a shell reads it: spaces part them, double quotes hold together. */
export function shellWords(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, plain]) =>
    quoted === undefined ? plain! : quoted.replaceAll(/\\(.)/g, '$1'),
  )
}
