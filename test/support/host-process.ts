import { buildEntries } from './build-entries.ts'

/** Builds the engine's host process from source; `remove` deletes it again. */
export async function buildHostProcess(): Promise<{ entry: string; remove: () => Promise<void> }> {
  const built = await buildEntries({ 'host-process': 'src/engine/node/host-process.ts' })
  return { entry: built.entry('host-process'), remove: built.remove }
}
