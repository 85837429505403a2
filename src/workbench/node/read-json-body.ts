import type { IncomingMessage } from 'node:http'
import { HttpError } from './http-error.ts'

/** How much a request may send, and how slowly. */
export interface BodyLimits {
  readonly bytes: number
  readonly milliseconds: number
}

/** The parsed JSON of a request. Throws when it is of another type, too large, too slow, no UTF-8 or no JSON. */
export async function readJsonBody(request: IncomingMessage, limits: BodyLimits): Promise<unknown> {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json')
    throw new HttpError(415, 'A request is JSON: send it with the header Content-Type: application/json.')
  const bytes = await readBody(request, limits)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw new HttpError(400, `The request is no JSON (${error instanceof Error ? error.message : error}).`)
  }
}

function readBody(request: IncomingMessage, { bytes: most, milliseconds }: BodyLimits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = []
    let bytes = 0
    const refuse = (status: number, message: string) => {
      done()
      request.resume() // what still comes is thrown away until the connection closes
      reject(new HttpError(status, message, { connection: 'close' }))
    }
    const tooLarge = () => refuse(413, `A request has at most ${most} bytes.`)
    const timer = setTimeout(() => refuse(408, `The request did not arrive within ${milliseconds} ms.`), milliseconds)
    const onData = (piece: Buffer) => {
      bytes += piece.length
      pieces.push(piece)
      if (bytes > most) tooLarge()
    }
    const onEnd = () => {
      done()
      resolve(Buffer.concat(pieces))
    }
    const onClose = () => {
      done()
      reject(new HttpError(400, 'The connection was closed before the request was complete.'))
    }
    const done = () => {
      clearTimeout(timer)
      request.off('data', onData).off('end', onEnd).off('close', onClose)
    }
    if (Number(request.headers['content-length'] ?? 0) > most) return tooLarge()
    request.on('data', onData).on('end', onEnd).on('close', onClose)
  })
}
