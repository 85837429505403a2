// The child process of the workbench's server: carries out its requests, and ends with it. The server may kill it at any time.
import type { ServiceHost } from '../service/answer.ts'
import { serveRequest } from '../service/answer.ts'
import { encodeEvent } from '../service/wire.ts'
import type { JobMessage, JobReply } from './job-protocol.ts'
import { createNodeHost } from './node-host.ts'

let host: ServiceHost
const running = new Map<number, AbortController>()

const send = (reply: JobReply) => process.send?.(reply)

process.on('message', (message: JobMessage) => {
  if (message.kind === 'start') host = createNodeHost(message.places)
  else if (message.kind === 'cancel') running.get(message.id)?.abort()
  else void carryOut(message.id, message.request)
})
process.on('disconnect', () => process.exit())
// Ctrl-C in a terminal reaches every process: the server decides what ends.
process.on('SIGINT', () => undefined)

async function carryOut(id: number, request: unknown): Promise<void> {
  const controller = new AbortController()
  running.set(id, controller)
  await serveRequest(
    request,
    {
      signal: controller.signal,
      send: (event) => send({ id, kind: event.kind, text: encodeEvent(event) }),
    },
    host,
  )
  running.delete(id)
}
