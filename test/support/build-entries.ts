import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'tsdown'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Scripts built from source, each as `<folder>/<name>.mjs`. */
export interface BuiltEntries {
  readonly folder: string
  /** The path of the one that is named. */
  entry(name: string): string
  remove(): Promise<void>
}

/** Builds scripts for Node (Node 20 runs no TypeScript): their source paths from the repository's root, by name. */
export async function buildEntries(entries: Readonly<Record<string, string>>): Promise<BuiltEntries> {
  const cache = join(root, 'node_modules', '.cache')
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, 'diopter-built-'))
  await build({
    cwd: root,
    config: false,
    entry: { ...entries },
    outDir: folder,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    dts: false,
    logLevel: 'error',
    fixedExtension: true,
  })
  return { folder, entry: (name) => join(folder, `${name}.mjs`), remove: () => rm(folder, { recursive: true }) }
}
