import { open } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { extname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { HttpError } from './http-error.ts'

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json; charset=utf-8',
  '.woff2': 'font/woff2',
}

/** Sends a file, or the one range of it that is asked for. Throws when it is none; a connection that closes early is no error. */
export async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  cacheControl: string,
): Promise<void> {
  const file = await open(path, 'r')
  try {
    const information = await file.stat()
    if (!information.isFile()) throw new HttpError(404, 'There is no such file.')
    const { size, mtimeMs } = information
    const etag = `"${fileVersion(size, mtimeMs)}"`
    const headers = { etag, 'cache-control': cacheControl, 'accept-ranges': 'bytes' }
    if (request.headers['if-none-match'] === etag) return void response.writeHead(304, headers).end()
    const range = rangeOf(request, etag, size)
    if (range && range.begin >= range.end)
      throw new HttpError(416, `The file has ${size} bytes.`, { 'content-range': `bytes */${size}` })
    const { begin, end } = range ?? { begin: 0, end: size }
    response.writeHead(range ? 206 : 200, {
      ...headers,
      'content-type': TYPES[extname(path).toLowerCase()] ?? 'application/octet-stream',
      'content-length': end - begin,
      ...(range ? { 'content-range': `bytes ${begin}-${end - 1}/${size}` } : {}),
    })
    if (request.method === 'HEAD' || begin === end) return void response.end()
    const stream = file.createReadStream({ start: begin, end: end - 1, autoClose: false })
    await pipeline(stream, response).catch(() => response.destroy())
  } finally {
    await file.close()
  }
}

/** A text that changes with a file's content. */
export function fileVersion(size: number, mtimeMs: number): string {
  return `${size.toString(36)}-${Math.round(mtimeMs).toString(36)}`
}

/** The one range that is asked for, up to `end`, not including it; undefined for the whole file. */
function rangeOf({ headers }: IncomingMessage, etag: string, size: number): { begin: number; end: number } | undefined {
  const asked = headers.range && /^bytes=(\d*)-(\d*)$/.exec(headers.range)
  if (!asked || (headers['if-range'] !== undefined && headers['if-range'] !== etag)) return undefined
  const [, from, to] = asked
  if (from === '' && to === '') return undefined
  if (from === '') return { begin: Math.max(0, size - Number(to)), end: size }
  return { begin: Number(from), end: to === '' ? size : Math.min(size, Number(to) + 1) }
}
