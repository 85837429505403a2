import type { IncomingMessage, ServerResponse } from 'node:http'
import { JOB_HEADER } from '../service/http-transport.ts'
import { SERVED_MODELS } from '../service/served-models.ts'
import { isLast } from '../service/wire.ts'
import { hasToken, requireOwnHost, requireOwnPage, requireToken } from './guard.ts'
import { HttpError, sendJson } from './http-error.ts'
import type { Jobs } from './jobs.ts'
import { sendModelFile, servedModels } from './model-files.ts'
import type { ModelPlace } from './model-places.ts'
import { PAGE_HEADERS } from './page-headers.ts'
import { type BodyLimits, readJsonBody } from './read-json-body.ts'
import { fileBelow, pathParts } from './safe-path.ts'
import { sendFile } from './send-file.ts'

/** What requests are answered with. */
export interface Site {
  readonly port: number
  readonly token: string
  /** The folder of the built page. */
  readonly page: string
  readonly places: readonly ModelPlace[]
  readonly jobs: Jobs
  readonly body: BodyLimits
}

/** Answers a request, whatever it is. Never throws. */
export async function answerHttp(request: IncomingMessage, response: ServerResponse, site: Site): Promise<void> {
  response.on('error', () => undefined) // the other side has gone
  try {
    for (const [name, value] of Object.entries(PAGE_HEADERS)) response.setHeader(name, value)
    requireOwnHost(request, site.port)
    await route(request, response, site)
  } catch (error) {
    refuse(response, error)
  }
}

async function route(request: IncomingMessage, response: ServerResponse, site: Site): Promise<void> {
  const parts = pathParts(request.url ?? '')
  switch (parts[0]) {
    case 'api':
      requireOwnPage(request)
      requireToken(request, site.token)
      return answerApi(request, response, site, parts.slice(1))
    case SERVED_MODELS:
    case 'models': {
      requireOwnPage(request)
      requireMethod(request, 'GET', 'HEAD')
      const mayReadFolders = hasToken(request, site.token)
      const places = site.places.filter(({ origin }) => mayReadFolders || origin === 'shipped')
      if (parts.length > 1) return sendModelFile(request, response, places, parts.slice(1))
      return sendJson(response, 200, await servedModels(places))
    }
    default: {
      requireMethod(request, 'GET', 'HEAD')
      const isStart = parts.length === 1 && parts[0] === ''
      const path = await fileBelow(site.page, isStart ? ['index.html'] : parts)
      // The builder names what is in assets/ by its content.
      const cacheControl = parts[0] === 'assets' ? 'private, max-age=31536000, immutable' : 'no-cache'
      return sendFile(request, response, path, cacheControl)
    }
  }
}

async function answerApi(
  request: IncomingMessage,
  response: ServerResponse,
  { jobs, body }: Site,
  parts: readonly string[],
): Promise<void> {
  if (parts[0] !== 'jobs' || parts.length > 2) throw new HttpError(404, 'There is no such address under /api.')
  if (parts.length === 2) {
    requireMethod(request, 'DELETE')
    if (!jobs.cancel(Number(parts[1]))) throw new HttpError(404, 'There is no such job; it may be done.')
    return sendJson(response, 202, {})
  }
  requireMethod(request, 'POST')
  streamJob(response, jobs, await readJsonBody(request, body))
}

/** Gives a job's events as lines. Closing the connection cancels it. */
function streamJob(response: ServerResponse, jobs: Jobs, json: unknown): void {
  const id = jobs.submit(json, ({ kind, text }) => {
    // Who reads slowly does without what the end repeats.
    if (response.writableNeedDrain && (kind === 'progress' || kind === 'partial')) return
    response.write(`${text}\n`)
    if (isLast({ kind })) response.end()
  })
  if (id === undefined)
    throw new HttpError(429, 'The server has too much to do; cancel something, or wait until it is done.', {
      'retry-after': '5',
    })
  response.on('close', () => jobs.cancel(id))
  response.writeHead(200, {
    'content-type': 'application/x-ndjson; charset=utf-8',
    'cache-control': 'no-store',
    [JOB_HEADER]: String(id),
  })
  response.flushHeaders()
}

function requireMethod({ method }: IncomingMessage, ...allowed: readonly string[]): void {
  if (allowed.includes(method ?? '')) return
  throw new HttpError(405, `Here one can ${allowed.join(' or ')}, not ${method}.`, { allow: allowed.join(', ') })
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy()
  if (!(error instanceof HttpError)) console.error(error)
  const { status, message, headers } =
    error instanceof HttpError ? error : new HttpError(500, 'The server has a defect; its terminal says more.')
  sendJson(response, status, { message }, headers)
  // A body that nobody reads must not keep the connection.
  if (headers.connection === 'close') response.on('finish', () => setTimeout(() => response.destroy(), 200).unref())
}
