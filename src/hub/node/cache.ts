import { randomUUID } from 'node:crypto'
import { copyFile, mkdir, readFile, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { DiopterError } from '../../errors/index.ts'
import { cacheFolderName, isCommit } from '../hub-id.ts'
import type { SnapshotStore } from '../snapshot.ts'
import { openFolder } from './folder.ts'
import { claimPartialFile, createHasher } from './partial-file.ts'

/**
 * Opens one model's folder in the standard cache: `blobs/<hash>`, `refs/<revision>`, and `snapshots/<commit>/<path>`, which are
 * relative links to blobs. Nothing is created before something is written.
 */
export function openModelCache(cacheDir: string, id: string): SnapshotStore {
  const root = join(cacheDir, cacheFolderName(id))
  const blobs = join(root, 'blobs')
  const snapshot = (commit: string): string => join(root, 'snapshots', commit)
  return {
    description: cacheDir,
    createHasher,
    claim: (file) => claimPartialFile(blobs, file.blob),
    async open(commit) {
      const folder = snapshot(commit)
      const exists = await stat(folder).catch(() => undefined)
      return exists ? openFolder(folder, { description: id, revision: commit }) : null
    },
    async readRef(revision) {
      if (isCommit(revision)) return revision
      const file = join(root, 'refs', revision)
      const commit = (await readFile(file, 'utf8').catch(() => '')).trim()
      if (commit !== '' && !isCommit(commit)) throw new DiopterError(`${file} does not hold a commit; delete it.`)
      return commit || null
    },
    async writeRef(revision, commit) {
      if (isCommit(revision)) return
      await replaceFile(join(root, 'refs', revision), (temporary) => writeFile(temporary, commit))
    },
    async holds(commit, { path, blob, size }) {
      // Where links are not allowed, the snapshot itself holds the bytes.
      return (await sizeOf(join(blobs, blob))) === size || (await sizeOf(join(snapshot(commit), path))) === size
    },
    async link(commit, { path, blob, size }) {
      const place = join(snapshot(commit), path)
      if ((await sizeOf(place)) === size && (await sizeOf(join(blobs, blob))) === null) return
      const target = relative(dirname(place), join(blobs, blob))
      if ((await readlink(place).catch(() => null)) === target) return
      await replaceFile(place, async (temporary) => {
        try {
          await symlink(target, temporary)
        } catch (error) {
          // Windows without developer mode allows no links: other tools copy there too.
          if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error
          await copyFile(join(blobs, blob), temporary)
        }
      })
    },
  }
}

async function sizeOf(path: string): Promise<number | null> {
  return (await stat(path).catch(() => null))?.size ?? null
}

/** Makes a file under another name and renames it, so that other processes see the old one or the new one. */
async function replaceFile(path: string, create: (temporary: string) => Promise<void>): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const temporary = `${path}.${randomUUID()}.tmp`
  try {
    await create(temporary)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
