import { DiopterError } from '../../errors/index.ts'
import type { Exchange, Transport } from './create-service.ts'
import type { ServiceRequest } from './messages.ts'
import { decodeEvent, type WireEvent } from './wire.ts'

/** The header that carries the token of the server's launch. */
export const TOKEN_HEADER = 'x-diopter-token'
/** The header in which the server says a job's number. */
export const JOB_HEADER = 'x-diopter-job'

/** Where the local server is. */
export interface HttpTransportOptions {
  /** Its address without a path; the page's own unless given. */
  readonly address?: string
  /** The token that it printed. */
  readonly token: string
}

/**
 * Requests to the local server: `POST /api/jobs`, answered by a stream of lines, an event each. The server stops by force
 * what does not stop within two seconds; the connection is given up when it does not even do that.
 */
export function httpTransport({ address = '', token }: HttpTransportOptions): Transport {
  const open = new Set<AbortController>()

  const follow = async (
    request: ServiceRequest,
    connection: AbortController,
    onJob: (id: string) => void,
    receive: (event: WireEvent) => void,
  ): Promise<void> => {
    open.add(connection)
    try {
      const response = await reach(`${address}/api/jobs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', [TOKEN_HEADER]: token },
        body: JSON.stringify(request),
        signal: connection.signal,
      })
      const id = response.headers.get(JOB_HEADER)
      if (!response.ok || !response.body || id === null) throw new DiopterError(await sentenceOf(response))
      onJob(id)
      await eachLine(response.body, (line) => receive(decodeEvent(request.kind, line)))
    } finally {
      // Nobody reads on, whatever is still under way.
      connection.abort()
      open.delete(connection)
    }
  }

  return {
    patience: 4000,
    send(request, receive): Exchange {
      const connection = new AbortController()
      let job: string | undefined
      const ended = follow(request, connection, (id) => (job = id), receive)
      return {
        ended,
        cancel() {
          // What has no number yet is cancelled by its connection.
          if (job === undefined) connection.abort()
          else void cancelJob(address, token, job).catch(() => connection.abort())
        },
        stop: () => connection.abort(),
      }
    },
    async dispose() {
      for (const connection of open) connection.abort()
    },
  }
}

async function cancelJob(address: string, token: string, job: string): Promise<void> {
  await fetch(`${address}/api/jobs/${job}`, { method: 'DELETE', headers: { [TOKEN_HEADER]: token } })
}

async function reach(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init)
  } catch (error) {
    if (init.signal?.aborted) throw error
    throw new DiopterError(
      `The local server does not answer (${error instanceof Error ? error.message : error}). Is \`diopter workbench\` still running? Start it again, and open the address that it prints.`,
    )
  }
}

/** The server's sentence about a request that it refused. */
async function sentenceOf(response: Response): Promise<string> {
  const body = (await response.json().catch(() => null)) as { message?: unknown } | null
  return typeof body?.message === 'string' ? body.message : `The local server answered ${response.status}.`
}

async function eachLine(stream: ReadableStream<Uint8Array>, receive: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder()
  const reader = stream.getReader()
  // Parts of a line that is not complete: long ones come in many pieces, and are put together once.
  let begun: string[] = []
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const lines = decoder.decode(value, { stream: true }).split('\n')
    while (lines.length > 1) {
      receive([...begun, lines.shift()!].join(''))
      begun = []
    }
    begun.push(lines[0]!)
  }
}
