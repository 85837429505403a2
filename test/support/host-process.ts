import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'tsdown'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Builds the engine's host process from source (Node 20 runs no TypeScript); `remove` deletes it again. */
export async function buildHostProcess(): Promise<{ entry: string; remove: () => Promise<void> }> {
  const cache = join(root, 'node_modules', '.cache')
  await mkdir(cache, { recursive: true })
  const outDir = await mkdtemp(join(cache, 'diopter-host-'))
  await build({
    cwd: root,
    config: false,
    entry: { 'host-process': 'src/engine/node/host-process.ts' },
    outDir,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    dts: false,
    logLevel: 'error',
    fixedExtension: true,
  })
  return { entry: join(outDir, 'host-process.mjs'), remove: () => rm(outDir, { recursive: true }) }
}
