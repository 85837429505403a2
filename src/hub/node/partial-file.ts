import { createHash, randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Hasher } from '../download.ts'
import type { HubFile } from '../hub-api.ts'
import type { ClaimedPartialFile } from '../snapshot.ts'

/**
 * Takes over what an earlier download of a blob left, or begins anew. The file is renamed to a name of this process's own
 * first: a rename succeeds for one process only, so two downloads at once never write to the same file.
 */
export async function claimPartialFile(blobs: string, blob: string): Promise<ClaimedPartialFile> {
  await mkdir(blobs, { recursive: true })
  const shared = join(blobs, `${blob}.incomplete`)
  const own = join(blobs, `${blob}.${hostMark}-${process.pid}-${randomUUID().slice(0, 8)}.incomplete`)
  for (const left of [shared, ...(await abandoned(blobs, blob))]) {
    if (
      await rename(left, own).then(
        () => true,
        () => false,
      )
    )
      break
  }
  const handle = await open(own, 'a+')
  let size = (await stat(own)).size
  return {
    get size() {
      return size
    },
    async append(bytes) {
      await writeAll(handle, bytes)
      size += bytes.length
    },
    async clear() {
      await handle.truncate(0)
      size = 0
    },
    async feed(hasher) {
      const buffer = new Uint8Array(1024 * 1024)
      for (let position = 0; position < size; ) {
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, position)
        if (bytesRead === 0) break
        hasher.update(buffer.subarray(0, bytesRead))
        position += bytesRead
      }
    },
    async commit() {
      await handle.sync()
      await handle.close()
      await rename(own, join(blobs, blob))
    },
    async handBack() {
      await handle.close()
      if (size > 0) await rename(own, shared)
      else await rm(own)
    },
  }
}

/** The hasher of a hub file: SHA-256 of its bytes, or Git's SHA-1 over a header and its bytes. */
export function createHasher({ hash, size }: HubFile): Hasher {
  const state = createHash(hash === 'sha256' ? 'sha256' : 'sha1')
  if (hash === 'git-sha1') state.update(`blob ${size}\0`)
  return { update: (bytes) => void state.update(bytes), digest: () => state.digest('hex') }
}

/** Marks files of this machine: whether a process is alive can only be asked at home. */
const hostMark = hostname().replace(/[^\w]/g, '_').slice(0, 32)

/** Partial files of processes of this machine that are gone. */
async function abandoned(blobs: string, blob: string): Promise<string[]> {
  const pattern = new RegExp(`^${blob}\\.${hostMark}-(\\d+)-\\w+\\.incomplete$`)
  const files = await readdir(blobs)
  return files
    .filter((file) => !isAlive(Number(pattern.exec(file)?.[1] ?? process.pid)))
    .map((file) => join(blobs, file))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done)).bytesWritten
  }
}
