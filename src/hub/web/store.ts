import { DiopterError } from '../../errors/index.ts'
import type { Hasher } from '../download.ts'
import { cacheFolderName, isCommit } from '../hub-id.ts'
import type { ClaimedPartialFile, SnapshotStore } from '../snapshot.ts'
import { blobSource } from './files.ts'
import { createSha256 } from './sha256.ts'

/** What is collected in memory before it is written as one piece. */
const pieceBytes = 32 * 1024 * 1024
/** Marks a blob's folder whose bytes are verified. */
const verifiedMark = 'verified'

/**
 * Keeps one model's files in a folder of the browser's private file system: `refs/<revision>`, `snapshots/<commit>/<path>`
 * (each the name of a blob), and `blobs/<hash>/<offset>`: a blob in pieces, so that a lost connection loses one piece at most.
 * @param root the folder of all models.
 */
export function openBrowserStore(root: FileSystemDirectoryHandle, id: string): SnapshotStore {
  const folder = (names: readonly string[], create: boolean) => folderAt(root, [cacheFolderName(id), ...names], create)
  const blobFolder = (blob: string, create: boolean) => folder(['blobs', blob], create)
  return {
    description: "the browser's storage",
    createHasher: ({ hash, size }) => (hash === 'sha256' ? createSha256() : createGitSha1(size)),
    async claim(file) {
      return claimPieces((await blobFolder(file.blob, true))!)
    },
    async open(commit) {
      const snapshot = await folder(['snapshots', commit], false)
      if (!snapshot) return null
      const blobs = new Map<string, Blob>()
      for await (const [name, handle] of entriesOf(snapshot)) {
        const pieces = await blobFolder(await (await asFile(handle)).text(), false)
        if (pieces && (await has(pieces, verifiedMark))) blobs.set(decodeURIComponent(name), await assembled(pieces))
      }
      return blobSource(blobs, id, commit)
    },
    async readRef(revision) {
      if (isCommit(revision)) return revision
      const refs = await folder(['refs'], false)
      const handle = await refs?.getFileHandle(encodeURIComponent(revision)).catch(() => null)
      return handle ? (await handle.getFile()).text() : null
    },
    async writeRef(revision, commit) {
      if (!isCommit(revision)) await writeFile((await folder(['refs'], true))!, encodeURIComponent(revision), commit)
    },
    async holds(_commit, { blob }) {
      const pieces = await blobFolder(blob, false)
      return pieces !== null && has(pieces, verifiedMark)
    },
    async link(commit, { path, blob }) {
      await writeFile((await folder(['snapshots', commit], true))!, encodeURIComponent(path), blob)
    },
  }
}

/** Takes over the pieces of a blob that an earlier download left. */
async function claimPieces(folder: FileSystemDirectoryHandle): Promise<ClaimedPartialFile> {
  // Only pieces that follow each other without a gap can be continued.
  let size = 0
  for (const [name, file] of await pieceFiles(folder)) {
    if (Number(name) === size) size += file.size
    else await folder.removeEntry(name)
  }
  let pending: Uint8Array[] = []
  let pendingBytes = 0
  const flush = async (): Promise<void> => {
    if (pendingBytes === 0) return
    const name = String(size - pendingBytes).padStart(15, '0')
    await writeFile(folder, name, new Blob(pending as BlobPart[]))
    pending = []
    pendingBytes = 0
  }
  return {
    get size() {
      return size
    },
    async append(bytes) {
      pending.push(bytes)
      pendingBytes += bytes.length
      size += bytes.length
      if (pendingBytes >= pieceBytes) await flush()
    },
    async clear() {
      for (const [name] of await pieceFiles(folder)) await folder.removeEntry(name)
      pending = []
      pendingBytes = 0
      size = 0
    },
    async feed(hasher) {
      for (const [, file] of await pieceFiles(folder)) hasher.update(new Uint8Array(await file.arrayBuffer()))
    },
    async commit() {
      await flush()
      await writeFile(folder, verifiedMark, '')
    },
    handBack: flush,
  }
}

/** A blob's pieces in order. */
async function pieceFiles(folder: FileSystemDirectoryHandle): Promise<[string, File][]> {
  const pieces: [string, File][] = []
  for await (const [name, handle] of entriesOf(folder)) {
    if (name !== verifiedMark) pieces.push([name, await asFile(handle)])
  }
  return pieces.sort(([a], [b]) => (a < b ? -1 : 1))
}

/** One blob over all pieces: browsers read from the pieces, nothing is copied. */
async function assembled(folder: FileSystemDirectoryHandle): Promise<Blob> {
  return new Blob((await pieceFiles(folder)).map(([, file]) => file))
}

/** Small files are named by Git's SHA-1, which needs their bytes whole. */
function createGitSha1(size: number): Hasher {
  const parts: Uint8Array[] = [new TextEncoder().encode(`blob ${size}\0`)]
  return {
    update: (bytes) => void parts.push(bytes.slice()),
    async digest() {
      const bytes = await new Blob(parts as BlobPart[]).arrayBuffer()
      const hash = new Uint8Array(await crypto.subtle.digest('SHA-1', bytes))
      return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('')
    },
  }
}

async function folderAt(
  root: FileSystemDirectoryHandle,
  names: readonly string[],
  create: boolean,
): Promise<FileSystemDirectoryHandle | null> {
  let current = root
  for (const name of names) {
    try {
      current = await current.getDirectoryHandle(name, { create })
    } catch (error) {
      if (!create && error instanceof DOMException && error.name === 'NotFoundError') return null
      throw error
    }
  }
  return current
}

/** TypeScript's DOM library lacks the iteration that all browsers with a private file system have. */
export function entriesOf(folder: FileSystemDirectoryHandle): AsyncIterable<[string, FileSystemHandle]> {
  return (folder as unknown as { entries(): AsyncIterable<[string, FileSystemHandle]> }).entries()
}

async function asFile(handle: FileSystemHandle): Promise<File> {
  return (handle as FileSystemFileHandle).getFile()
}

async function has(folder: FileSystemDirectoryHandle, name: string): Promise<boolean> {
  return folder.getFileHandle(name).then(
    () => true,
    () => false,
  )
}

async function writeFile(folder: FileSystemDirectoryHandle, name: string, content: Blob | string): Promise<void> {
  const writable = await (await folder.getFileHandle(name, { create: true })).createWritable()
  try {
    await writable.write(content)
    await writable.close()
  } catch (error) {
    if (!(error instanceof DOMException && error.name === 'QuotaExceededError')) throw error
    throw new DiopterError(
      'The browser gives this page no more storage for the model. Delete other stored models or site data.',
    )
  }
}
