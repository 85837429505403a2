import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What the server does wrong once, instead of answering a file request properly. */
export type Fault =
  | { readonly kind: 'cut'; readonly after: number }
  | { readonly kind: 'flip'; readonly at: number }
  | { readonly kind: 'short' }
  | { readonly kind: 'long' }
  | { readonly kind: 'long-unannounced' }
  | { readonly kind: 'ignore-range' }
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Record<string, string> }

/** A request that arrived at the hub or at the host that it redirects large files to. */
export interface SeenRequest {
  readonly host: 'hub' | 'files'
  readonly path: string
  readonly range: string | undefined
  readonly authorization: string | undefined
}

/** A local server that answers as the hub does for one repository. */
export interface HubServer {
  readonly endpoint: string
  readonly seen: SeenRequest[]
  /** Faults by file path, or `api` for metadata: each is used once, in order. */
  readonly faults: Map<string, Fault[]>
  /** When set, requests without this token get 401. */
  token: string | undefined
  commit: string
  files: Record<string, Uint8Array>
  blobOf(path: string): string
  close(): Promise<void>
}

const large = /\.(safetensors|bin)$/
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const gitSha1 = (bytes: Uint8Array) => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')

/** Starts the hub, and a second server of another origin that large files are redirected to. */
export async function startHubServer(
  id: string,
  files: Record<string, Uint8Array>,
  commit: string,
): Promise<HubServer> {
  const hub = createServer((request, response) => {
    if (!isPreflight(request, response)) answerHub(request, response)
  })
  const storage = createServer((request, response) => {
    if (isPreflight(request, response)) return
    record('files', request)
    sendFile(decodeURIComponent(request.url!.slice(1)), request, response)
  })
  const server: HubServer = {
    endpoint: await listen(hub),
    seen: [],
    faults: new Map(),
    token: undefined,
    commit,
    files,
    blobOf: (path) => (large.test(path) ? sha256 : gitSha1)(server.files[path]!),
    async close() {
      for (const each of [hub, storage]) {
        each.closeAllConnections()
        await new Promise((resolve) => each.close(resolve))
      }
    },
  }
  const storageAddress = await listen(storage)

  function record(host: SeenRequest['host'], { url, headers }: IncomingMessage): void {
    server.seen.push({ host, path: url!, range: headers.range, authorization: headers.authorization })
  }

  function answerHub(request: IncomingMessage, response: ServerResponse): unknown {
    record('hub', request)
    const path = decodeURIComponent(new URL(request.url!, 'http://x').pathname)
    if (server.token !== undefined && request.headers.authorization !== `Bearer ${server.token}`) {
      return response.writeHead(401, { 'x-error-code': 'RepoNotFound' }).end('{}')
    }
    if (path.startsWith('/api/') && sendFault('api', response)) return undefined
    if (path === `/api/models/${id}/revision/main` || path === `/api/models/${id}/revision/${server.commit}`) {
      return sendJson(response, {
        _id: '1',
        id,
        sha: server.commit,
        private: false,
        gated: false,
        lastModified: '2024-01-01',
      })
    }
    if (path === `/api/models/${id}/tree/${server.commit}`)
      return sendJson(response, Object.entries(server.files).map(describe))
    const file = path.startsWith(`/${id}/resolve/${server.commit}/`) && path.split('/resolve/')[1]!.slice(41)
    if (!file || !server.files[file]) return response.writeHead(404, { 'x-error-code': 'RepoNotFound' }).end('{}')
    if (!large.test(file)) return sendFile(file, request, response)
    return response.writeHead(302, { location: `${storageAddress}/${encodeURIComponent(file)}` }).end()
  }

  function describe([path, bytes]: [string, Uint8Array]): unknown {
    const oid = gitSha1(bytes)
    if (!large.test(path)) return { type: 'file', path, size: bytes.length, oid }
    return {
      type: 'file',
      path,
      size: bytes.length,
      oid,
      lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 134 },
    }
  }

  function sendFault(key: string, response: ServerResponse): boolean {
    const fault = server.faults.get(key)?.[0]
    if (fault?.kind !== 'status') return false
    server.faults.get(key)!.shift()
    response.writeHead(fault.status, fault.headers).end('{}')
    return true
  }

  function sendFile(path: string, request: IncomingMessage, response: ServerResponse): unknown {
    if (sendFault(path, response)) return undefined
    const fault = server.faults.get(path)?.shift()
    let bytes = server.files[path]!
    const total = bytes.length
    if (fault?.kind === 'flip') bytes = bytes.map((byte, i) => (i === fault.at ? byte ^ 1 : byte))
    if (fault?.kind === 'short') bytes = bytes.subarray(0, -1)
    if (fault?.kind === 'long' || fault?.kind === 'long-unannounced')
      bytes = Uint8Array.from({ length: total + 1 }, (_, i) => bytes[i] ?? 0)
    const range = fault?.kind === 'ignore-range' ? undefined : /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1]
    const begin = Number(range ?? 0)
    const body = bytes.subarray(begin)
    response.writeHead(range === undefined ? 200 : 206, {
      ...(fault?.kind !== 'long-unannounced' && { 'content-length': body.length }),
      ...(range !== undefined && { 'content-range': `bytes ${begin}-${total - 1}/${total}` }),
    })
    if (fault?.kind !== 'cut') return response.end(body)
    return response.write(body.subarray(0, fault.after), () => setTimeout(() => response.destroy(), 20))
  }
  return server
}

/** Lets pages of other origins read, as the hub does, and answers their question whether they may. */
function isPreflight(request: IncomingMessage, response: ServerResponse): boolean {
  response.setHeader('access-control-allow-origin', '*')
  response.setHeader('access-control-allow-headers', 'authorization, range')
  response.setHeader('access-control-expose-headers', 'content-range, etag, link, x-error-code')
  if (request.method !== 'OPTIONS') return false
  response.writeHead(204).end()
  return true
}

function sendJson(response: ServerResponse, value: unknown): unknown {
  return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
