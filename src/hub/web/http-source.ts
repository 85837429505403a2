import { DiopterError, throwIfAborted, type WorkOptions } from '../../errors/index.ts'
import { transferMeter } from '../download.ts'
import { checkRange, type FileSource, missingFile } from '../source.ts'

/** A file as its host lists it. */
export interface ServedFile {
  /** Inside the model's folder, with `/` between folders. */
  readonly path: string
  readonly bytes: number
  /** Any text that changes with the content: a hash, or size and time. */
  readonly version: string
}

/** How a served model is read. */
export interface HttpSourceOptions extends WorkOptions {
  /** For people: where the bytes come from. */
  readonly description: string
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Where whole files are kept for the next visit. */
  readonly cache?: Cache | undefined
  /** Files of more bytes are read by range, and not kept; 128 MiB unless given. */
  readonly wholeBytes?: number | undefined
}

/**
 * A source over a folder that a web server gives: files are fetched whole when they are first read, and kept; large ones are
 * read by range where the server can, and else whole.
 * @param folder the URL of the folder, with `/` at the end.
 */
export function httpSource(folder: string, files: readonly ServedFile[], options: HttpSourceOptions): FileSource {
  const { description, headers, cache, wholeBytes = 128 * 2 ** 20, signal, onProgress } = options
  const listed = new Map(files.map((file) => [file.path, file]))
  const wholeFiles = new Map<string, Promise<Blob>>()
  const fileOf = (path: string): ServedFile => {
    const file = listed.get(path)
    if (!file) throw missingFile(source, path)
    return file
  }
  const urlOf = ({ path, version }: ServedFile): string =>
    `${folder}${path.split('/').map(encodeURIComponent).join('/')}?version=${encodeURIComponent(version)}`

  const get = async (file: ServedFile, range?: string): Promise<Response> => {
    const sent = range ? { ...headers, range } : { ...headers }
    const response = await fetch(urlOf(file), { signal, headers: sent }).catch((error: unknown) => {
      throwIfAborted(signal)
      throw new DiopterError(
        `${file.path} of ${description} could not be fetched (${error instanceof Error ? error.message : error}). Check the connection and open the model again.`,
      )
    })
    if (response.ok) return response
    throw new DiopterError(`The page's host answered ${response.status} for ${file.path} of ${description}.`)
  }

  const fetchWhole = async (file: ServedFile, response: Response): Promise<Blob> => {
    const bytes = new Uint8Array(file.bytes)
    const meter = transferMeter(file.bytes, onProgress)
    let done = 0
    for await (const part of partsOf(response)) {
      if (done + part.length <= file.bytes) bytes.set(part, done)
      done += part.length
      meter(file.path, done)
    }
    if (done !== file.bytes) throw wrongLength(file, done)
    const blob = new Blob([bytes])
    if (cache) await keep(cache, urlOf(file), blob)
    return blob
  }

  const wrongLength = ({ path, bytes }: ServedFile, arrived: number): DiopterError =>
    new DiopterError(
      `${path} of ${description} arrived with ${arrived} bytes; its list says ${bytes}. The host's copy is incomplete or another one: reload the page.`,
    )

  const readWhole = async (file: ServedFile): Promise<Blob> => {
    const kept = await (await cache?.match(urlOf(file)))?.blob()
    return kept?.size === file.bytes ? kept : fetchWhole(file, await get(file))
  }

  /** The whole file, fetched once however many readers wait for it; a fetch that failed is tried again by the next reader. */
  const whole = (file: ServedFile, make: () => Promise<Blob> = () => readWhole(file)): Promise<Blob> => {
    const known = wholeFiles.get(file.path)
    if (known) return known
    const blob = make()
    wholeFiles.set(file.path, blob)
    blob.catch(() => wholeFiles.delete(file.path))
    return blob
  }

  const slice = async (blob: Promise<Blob>, begin: number, end: number): Promise<Uint8Array> =>
    new Uint8Array(await (await blob).slice(begin, end).arrayBuffer())

  const source: FileSource = {
    description,
    revision: null,
    files: files.map(({ path }) => path),
    size: (path) => fileOf(path).bytes,
    async readRange(path, begin, end) {
      const file = fileOf(path)
      checkRange(source, path, begin, end, file.bytes)
      if (file.bytes <= wholeBytes || wholeFiles.has(path)) return slice(whole(file), begin, end)
      if (begin === end) return new Uint8Array()
      const response = await get(file, `bytes=${begin}-${end - 1}`)
      if (response.status !== 206)
        return slice(
          whole(file, () => fetchWhole(file, response)),
          begin,
          end,
        )
      const bytes = new Uint8Array(await response.arrayBuffer())
      if (bytes.length === end - begin) return bytes
      throw new DiopterError(
        `${path} of ${description}: bytes ${begin} to ${end} were asked for, ${bytes.length} arrived. Open the model again.`,
      )
    },
    readText: async (path) => (await whole(fileOf(path))).text(),
  }
  return source
}

async function* partsOf(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader()
  if (!reader) return
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    yield value
  }
}

/** Keeps a file, and forgets its other versions. */
async function keep(cache: Cache, url: string, blob: Blob): Promise<void> {
  for (const request of await cache.keys(url, { ignoreSearch: true })) await cache.delete(request)
  // A browser that gives no room keeps nothing: the next visit fetches again.
  await cache.put(url, new Response(blob)).catch(() => undefined)
}
