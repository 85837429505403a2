import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { TOKEN_HEADER } from '../service/http-transport.ts'
import { HttpError } from './http-error.ts'

/** Refuses requests that name another host: a foreign name that was made to point to this machine (DNS rebinding). */
export function requireOwnHost({ headers }: IncomingMessage, port: number): void {
  if (ownHosts(port).includes(headers.host?.toLowerCase() ?? '')) return
  throw new HttpError(403, `This server answers at http://127.0.0.1:${port} only, and was asked as ${headers.host}.`)
}

/** Refuses requests that another page makes. */
export function requireOwnPage({ headers }: IncomingMessage): void {
  const { origin, host } = headers
  if (origin !== undefined && origin.toLowerCase() !== `http://${host?.toLowerCase()}`)
    throw new HttpError(403, `This server answers its own page only, not ${origin}.`)
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin')
    throw new HttpError(403, `This server answers its own page only; this request is ${site}.`)
}

/** Whether a request brings the token of this launch. */
export function hasToken({ headers }: IncomingMessage, token: string): boolean {
  const given = headers[TOKEN_HEADER]
  return typeof given === 'string' && timingSafeEqual(digest(given), digest(token))
}

/** Refuses requests without the token of this launch. */
export function requireToken(request: IncomingMessage, token: string): void {
  if (hasToken(request, token)) return
  throw new HttpError(
    401,
    'The token is missing, or of an earlier launch. Open the address that `diopter workbench` printed when it started.',
  )
}

function ownHosts(port: number): string[] {
  const names = ['127.0.0.1', 'localhost']
  return [...names.map((name) => `${name}:${port}`), ...(port === 80 ? names : [])]
}

const digest = (text: string) => createHash('sha256').update(text).digest()
