import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeError } from './atomic-write.ts'

/**
 * Does `work` while no other process works in `folder`; resolves to the other process's number instead, when one does.
 * A lock whose process has ended is taken over.
 */
export async function whileLocked<T>(
  folder: string,
  work: () => Promise<T>,
): Promise<{ readonly done: T } | { readonly busy: number }> {
  const lock = join(folder, 'lock')
  const owner = await take(lock)
  if (owner !== process.pid) return { busy: owner }
  try {
    return { done: await work() }
  } finally {
    await rm(lock, { force: true })
  }
}

/** The process that holds the lock: this one, if it was free. */
async function take(lock: string): Promise<number> {
  for (;;) {
    try {
      await writeFile(lock, String(process.pid), { flag: 'wx' })
      return process.pid
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw writeError(lock, error)
    }
    const owner = Number(await readFile(lock, 'utf8').catch(() => ''))
    if (owner > 0 && owner !== process.pid && isRunning(owner)) return owner
    await rm(lock, { force: true })
  }
}

function isRunning(id: number): boolean {
  try {
    process.kill(id, 0)
    return true
  } catch (error) {
    // it runs, but belongs to somebody else
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
