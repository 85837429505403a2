import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
}

/** How a host of files behaves. */
export interface StaticHostOptions {
  /** Sends the headers that give a page threads. */
  readonly isolated?: boolean
  /** Where the folder begins; `/` unless given. */
  readonly prefix?: string
  /** Answers requests for a range with that range; others with the whole file. */
  readonly ranges?: boolean
}

/** A host of files that is running. */
export interface StaticHost {
  readonly url: string
  /** Paths that were asked for, with the range where there was one. */
  readonly seen: string[]
  close(): Promise<void>
}

/** A plain server of the files in a folder on 127.0.0.1: what any static host does, and nothing more. */
export async function startStaticHost(
  folder: string,
  { isolated = false, prefix = '/', ranges = false }: StaticHostOptions = {},
): Promise<StaticHost> {
  const seen: string[] = []
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url!, 'http://localhost').pathname)
    const { range } = request.headers
    seen.push(range ? `${path} ${range}` : path)
    if (isolated) {
      response.setHeader('Cross-Origin-Opener-Policy', 'same-origin')
      response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp')
    }
    const inside = path.startsWith(prefix) ? normalize(`/${path.slice(prefix.length)}`) : '/../'
    const file = join(folder, inside === '/' ? 'index.html' : inside)
    const bytes = path.startsWith(prefix) ? await readFile(file).catch(() => null) : null
    if (!bytes) return response.writeHead(404).end('not found')
    response.setHeader('Content-Type', TYPES[extname(file)] ?? 'application/octet-stream')
    const [, begin, end] = (ranges && /^bytes=(\d+)-(\d+)$/.exec(range ?? '')) || []
    if (begin === undefined) return response.end(bytes)
    response.setHeader('Content-Range', `bytes ${begin}-${end}/${bytes.length}`)
    return response.writeHead(206).end(bytes.subarray(Number(begin), Number(end) + 1))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${prefix}`,
    seen,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
