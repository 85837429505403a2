import { realpathSync } from 'node:fs'
import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { DiopterError } from '../../errors/index.ts'
import { checkRange, type FileSource, missingFile } from '../source.ts'

/** Node reads at most 2 GiB in one call. */
const maximumRead = 1024 ** 3

/**
 * Opens a local folder of model files.
 * @param path the folder; `revision` is recorded when it is a snapshot of a known commit.
 * @throws DiopterError when it is not a folder.
 */
export async function openFolder(
  path: string,
  options: { description?: string; revision?: string | null } = {},
): Promise<FileSource> {
  const root = resolve(path)
  const information = await stat(root).catch(() => undefined)
  if (!information?.isDirectory()) throw new DiopterError(`${path} is not a folder.`)
  const files = await listFiles(root)
  const known = new Set(files)
  const pathOf = (file: string): string => {
    if (!known.has(file)) throw missingFile(source, file)
    return join(root, file)
  }
  const source: FileSource = {
    description: options.description ?? path,
    revision: options.revision ?? null,
    files,
    size: async (file) => (await stat(pathOf(file))).size,
    async readRange(file, begin, end) {
      checkRange(source, file, begin, end, (await stat(pathOf(file))).size)
      const bytes = new Uint8Array(end - begin)
      await readAt(pathOf(file), begin, bytes)
      return bytes
    },
    readInto: (file, begin, target) => readAt(pathOf(file), begin, target),
    async readText(file) {
      const bytes = new Uint8Array((await stat(pathOf(file))).size)
      await readAt(pathOf(file), 0, bytes)
      return new TextDecoder().decode(bytes)
    },
    localPath: (file) => realpathSync(pathOf(file)),
  }
  return source
}

/** Files directly in the folder and one level of folders below it, which is where shards and tokenizers lie. */
async function listFiles(root: string): Promise<string[]> {
  const files: string[] = []
  const visit = async (folder: string, depth: number): Promise<void> => {
    for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      // A hub snapshot holds symbolic links: what they point to counts.
      const kind = entry.isSymbolicLink() ? await stat(join(root, path)).catch(() => undefined) : entry
      if (kind?.isFile()) files.push(path)
      else if (kind?.isDirectory() && depth < 1) await visit(path, depth + 1)
    }
  }
  await visit('', 0)
  return files.sort()
}

async function readAt(path: string, begin: number, target: Uint8Array): Promise<void> {
  const handle: FileHandle = await open(path, 'r')
  try {
    for (let done = 0; done < target.length; ) {
      const { bytesRead } = await handle.read(target, done, Math.min(maximumRead, target.length - done), begin + done)
      if (bytesRead === 0) throw new DiopterError(`${path} ended at byte ${begin + done}; more was expected.`)
      done += bytesRead
    }
  } finally {
    await handle.close()
  }
}
