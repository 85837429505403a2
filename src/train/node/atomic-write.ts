import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DiopterError } from '../../errors/index.ts'

/**
 * Writes a file so that it is either whole or as it was: to a temporary name, flushed to disk, then renamed.
 * @throws DiopterError when the disk is full or the folder cannot be written; nothing is left behind then.
 */
export async function writeAtomically(path: string, bytes: Uint8Array | string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    const file = await open(temporary, 'w')
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncFolder(dirname(path))
  } catch (error) {
    await rm(temporary, { force: true })
    throw writeError(path, error)
  }
}

/** Makes a folder where there is none. @throws DiopterError that says why it cannot be made. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true })
  } catch (error) {
    throw writeError(path, error)
  }
}

/** Removes what killed processes were writing into a folder. */
export async function removeUnfinished(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  for (const name of names) if (/\.\d+\.tmp$/.test(name)) await rm(join(folder, name), { force: true })
}

/** The rename itself survives a power cut only when the folder is flushed, which some systems refuse. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } catch {
    // not every file system can
  } finally {
    await folder.close()
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EACCES: 'the folder may not be written by this user',
  EPERM: 'the folder may not be written by this user',
  EROFS: 'the file system is read-only',
  ENOENT: 'the folder does not exist',
  ENOTDIR: 'a part of the path is a file',
  EEXIST: 'it is a file, not a folder',
}

/** What went wrong on writing `path`, as a sentence. */
export function writeError(path: string, error: unknown): DiopterError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const reason = REASONS[code] ?? (error instanceof Error ? error.message : String(error))
  return new DiopterError(`${path} could not be written: ${reason}. What was saved before is untouched.`)
}
