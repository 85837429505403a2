import { DiopterError, nearMatches } from '../errors/index.ts'

/** What a model repository is, wherever its bytes lie: a local folder, a hub snapshot, files in a browser, memory. */
export interface FileSource {
  /** For people: where the bytes come from. */
  readonly description: string
  /** Paths of all files, with `/` between folders. */
  readonly files: readonly string[]
  /** The repository commit that the files belong to, when known. */
  readonly revision?: string | null
  /** Bytes of a file. @throws DiopterError when there is no such file. */
  size(path: string): number | Promise<number>
  /** The bytes from `begin` up to, not including, `end`. @throws DiopterError when they do not exist. */
  readRange(path: string, begin: number, end: number): Promise<Uint8Array>
  /** Fills `target` with the bytes from `begin` on, without a copy between. */
  readInto?(path: string, begin: number, target: Uint8Array): Promise<void>
  /** The whole file as UTF-8 text. */
  readText(path: string): Promise<string>
  /** The file's real path on disk, symbolic links resolved; undefined when it has none. */
  localPath?(path: string): string | undefined
}

/** The error for a file that a source does not have. */
export function missingFile(source: FileSource, path: string): DiopterError {
  const near = nearMatches(path, source.files, 8)
  const have =
    near.length === 0 ? 'It is empty.' : `It has ${near.join(', ')}${source.files.length > 8 ? ', ...' : '.'}`
  return new DiopterError(`${source.description} has no file ${path}. ${have}`)
}

/** Checks that bytes `begin` to `end` lie inside a file of `size` bytes. @throws DiopterError when not. */
export function checkRange(source: FileSource, path: string, begin: number, end: number, size: number): void {
  if (!(begin >= 0 && begin <= end && end <= size)) {
    throw new DiopterError(
      `${source.description}: bytes ${begin} to ${end} of ${path} were asked for; it has ${size} bytes.`,
    )
  }
}

/** Fills `target` from a source, straight where the source can. */
export async function readInto(source: FileSource, path: string, begin: number, target: Uint8Array): Promise<void> {
  if (source.readInto) await source.readInto(path, begin, target)
  else target.set(await source.readRange(path, begin, begin + target.length))
}

/** Reads a JSON file that must hold an object. @throws DiopterError when it does not. */
export async function readJsonObject(source: FileSource, path: string): Promise<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(await source.readText(path))
  } catch (error) {
    if (error instanceof DiopterError) throw error
    throw new DiopterError(
      `${source.description}: ${path} is not valid JSON (${error instanceof Error ? error.message : error}).`,
    )
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new DiopterError(`${source.description}: ${path} must hold a JSON object.`)
  }
  return value as Record<string, unknown>
}

/** A source whose files are held in memory; strings are stored as UTF-8. */
export function memorySource(
  files: Readonly<Record<string, Uint8Array | string>>,
  description = 'memory',
  revision: string | null = null,
): FileSource {
  const encoder = new TextEncoder()
  const contents = new Map(
    Object.entries(files).map(([path, data]) => [path, typeof data === 'string' ? encoder.encode(data) : data]),
  )
  const bytesOf = (path: string): Uint8Array => {
    const bytes = contents.get(path)
    if (!bytes) throw missingFile(source, path)
    return bytes
  }
  const source: FileSource = {
    description,
    revision,
    files: [...contents.keys()],
    size: (path) => bytesOf(path).length,
    async readRange(path, begin, end) {
      const bytes = bytesOf(path)
      checkRange(source, path, begin, end, bytes.length)
      return bytes.slice(begin, end)
    },
    readText: async (path) => new TextDecoder().decode(bytesOf(path)),
  }
  return source
}
