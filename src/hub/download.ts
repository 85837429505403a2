import { DiopterError, type Progress, throwIfAborted } from '../errors/index.ts'
import { sleep, statusError } from './http.ts'
import type { HubFile } from './hub-api.ts'

/** Computes a hash while bytes pass by. */
export interface Hasher {
  update(bytes: Uint8Array): void
  /** The hash in hexadecimal. */
  digest(): string | Promise<string>
}

/** Where the bytes of a download go before they are verified. */
export interface PartialFile {
  /** Bytes held, which a resumed download continues. */
  readonly size: number
  append(bytes: Uint8Array): Promise<void>
  /** Drops everything. */
  clear(): Promise<void>
  /** Feeds the bytes held to a hasher. */
  feed(hasher: Hasher): Promise<void>
}

/** What one download needs. */
export interface DownloadRequest {
  readonly file: HubFile
  readonly url: string
  /** A fetch that retries what can be retried before the first byte; see hubFetch. */
  readonly fetch: typeof fetch
  readonly partial: PartialFile
  readonly createHasher: (file: HubFile) => Hasher
  readonly signal?: AbortSignal | undefined
  /** Told how many bytes of the file are there, also when that number falls. */
  readonly onSize?: ((bytes: number) => void) | undefined
  readonly hasToken?: boolean
}

const triesWithoutProgress = 5

/**
 * Downloads a file into `partial`, continuing what is there, and verifies its size and hash.
 * @throws DiopterError when the bytes are not the ones that the hub names; `partial` is then empty. A lost connection leaves
 * what has arrived in `partial`.
 */
export async function downloadVerified(request: DownloadRequest): Promise<void> {
  const { file, partial, createHasher, onSize } = request
  if (partial.size > file.size) await partial.clear()
  const continued = partial.size > 0
  const hasher = createHasher(file)
  await partial.feed(hasher)
  onSize?.(partial.size)
  const restarted = await receive(request, hasher)
  const digest = await restarted.digest()
  if (digest === file.blob) return
  await partial.clear()
  // What an earlier process left may be damaged: the whole file gets one fresh chance.
  if (continued) return downloadVerified(request)
  throw new DiopterError(
    `${file.path} is damaged: its ${file.hash} should be ${file.blob}, the bytes received give ${digest}. They were discarded; try again.`,
  )
}

/** Receives until the file is complete. @returns the hasher that has seen exactly the bytes now held. */
async function receive(request: DownloadRequest, hasher: Hasher): Promise<Hasher> {
  const { file, url, partial, createHasher, signal, onSize } = request
  const restart = async () => {
    await partial.clear()
    hasher = createHasher(file)
    onSize?.(0)
  }
  for (let tries = 0; partial.size < file.size; ) {
    throwIfAborted(signal)
    const begin = partial.size
    try {
      const headers: Record<string, string> = { 'accept-encoding': 'identity' }
      if (begin > 0) headers.range = `bytes=${begin}-`
      const response = await request.fetch(url, { headers, signal })
      if (begin > 0 && (response.status === 200 || response.status === 416)) {
        // The server cannot continue where we were.
        if (response.status === 416) {
          await response.body?.cancel()
          await restart()
          continue
        }
        await restart()
      }
      checkResponse(request, response, partial.size)
      for await (const bytes of chunksOf(response)) {
        if (partial.size + bytes.length > file.size) throw await wrongSize(request, 'more')
        await partial.append(bytes)
        hasher.update(bytes)
        onSize?.(partial.size)
      }
      if (partial.size < file.size) throw new Error('the connection ended early')
    } catch (error) {
      throwIfAborted(signal)
      if (error instanceof DiopterError) throw error
      tries = partial.size > begin ? 1 : tries + 1
      if (tries > triesWithoutProgress || isLocal(error)) {
        const reason = error instanceof Error ? error.message : String(error)
        throw new DiopterError(
          `${file.path}: the download stopped at ${partial.size} of ${file.size} bytes (${reason}). They are kept: run it again to continue.`,
        )
      }
      await sleep(0.2 * 2 ** tries, signal)
    }
  }
  return hasher
}

function checkResponse({ file, url, hasToken }: DownloadRequest, response: Response, begin: number): void {
  const { status, headers } = response
  if (status !== (begin > 0 ? 206 : 200)) throw statusError(status, headers, file.path, new URL(url).origin, !!hasToken)
  const contentRange = headers.get('content-range')
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(contentRange ?? '') ?? []
  // The length is that of the compressed bytes when there is an encoding, which a page cannot see from another origin.
  const isPlain = !headers.has('content-encoding') && response.type !== 'cors'
  const length = isPlain ? headers.get('content-length') : null
  const promised = total && total !== '*' ? Number(total) : length === null ? file.size : begin + Number(length)
  if ((start !== undefined && Number(start) !== begin) || promised !== file.size) {
    throw new DiopterError(
      `${file.path} should have ${file.size} bytes, but the server offers ${contentRange ?? `${promised} bytes`} after ${begin}.`,
    )
  }
}

async function wrongSize({ file, partial }: DownloadRequest, how: string): Promise<DiopterError> {
  await partial.clear()
  return new DiopterError(
    `${file.path} should have ${file.size} bytes, but the server sends ${how}. They were discarded.`,
  )
}

/** A full disk and the like: no reason to ask the hub again. */
function isLocal(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && ['ENOSPC', 'EACCES', 'EPERM', 'EROFS', 'EIO', 'EDQUOT', 'EFBIG'].includes(code)
}

async function* chunksOf(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader()
  if (!reader) return
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

/** Adds up the bytes of several files and reports them with the time left, at most ten times a second. */
export function transferMeter(
  total: number,
  onProgress: ((progress: Progress) => void) | undefined,
  now: () => number = () => performance.now(),
): (path: string, bytes: number) => void {
  const held = new Map<string, number>()
  let done = 0
  let first: { time: number; done: number } | undefined
  let reported = Number.NEGATIVE_INFINITY
  return (path, bytes) => {
    // Bytes that were there before count as done but not towards the speed.
    if (!held.has(path) && first) first.done += bytes
    done += bytes - (held.get(path) ?? 0)
    held.set(path, bytes)
    const time = now()
    first ??= { time, done }
    if (time - reported < 100 && done < total) return
    reported = time
    const rate = (done - first.done) / ((time - first.time) / 1000)
    const etaSeconds = rate > 0 && Number.isFinite(rate) ? (total - done) / rate : undefined
    onProgress?.({
      phase: `download ${path}`,
      done,
      total,
      unit: 'bytes',
      ...(etaSeconds !== undefined && { etaSeconds }),
    })
  }
}
