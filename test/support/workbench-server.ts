import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  startWorkbenchServer,
  type WorkbenchServer,
  type WorkbenchServerOptions,
} from '../../src/workbench/node/server.ts'
import { TOKEN_HEADER } from '../../src/workbench/service/http-transport.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A job process that only plays; see the file. */
export const playedJobProcess = join(root, 'test/support/played-job-process.mjs')

/** The shipped models that the tests offer. */
export const shippedText = place('text')
export const shippedInduction = place('induction-2l')

function place(ref: string) {
  const folder = join(root, 'checkpoints', ref)
  return { ref, title: ref, about: '', bytes: 1, origin: 'shipped' as const, problem: null, folder }
}

/** A server for a test, with a small page, in a folder of its own. */
export interface TestServer extends WorkbenchServer {
  readonly folder: string
  /** `http://127.0.0.1:PORT`. */
  readonly site: string
  /** A request with the token (unless `headers` says otherwise), as the page sends it. */
  ask(path: string, init?: RequestInit): Promise<Response>
  /** A job; resolves to the response whose body streams. */
  post(request: unknown, init?: RequestInit): Promise<Response>
  /** Writes these bytes to a connection, and gives all that comes back until it is closed (or `milliseconds` are over). */
  raw(text: string, milliseconds?: number): Promise<string>
}

/** Starts a server on any free port. */
export async function startTestServer(options: Partial<WorkbenchServerOptions> = {}): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'diopter-workbench-'))
  const page = join(folder, 'page')
  await mkdir(join(page, 'assets'), { recursive: true })
  await writeFile(join(page, 'index.html'), '<!doctype html><title>Workbench</title>')
  await writeFile(join(page, 'assets', 'page-1a2b.js'), 'export {}')
  const server = await startWorkbenchServer({ page, port: 0, jobEntry: playedJobProcess, ...options })
  const { port, token } = server
  const site = `http://127.0.0.1:${port}`
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(`${site}${path}`, { ...init, headers: { [TOKEN_HEADER]: token, ...init.headers } })
  return {
    ...server,
    get jobProcess() {
      return server.jobProcess
    },
    folder,
    site,
    ask,
    post: (request, init = {}) =>
      ask('/api/jobs', {
        method: 'POST',
        body: JSON.stringify(request),
        ...init,
        headers: { 'content-type': 'application/json', ...init.headers },
      }),
    raw: (text, milliseconds = 5000) =>
      new Promise((resolve) => {
        let answer = ''
        const socket = connect(port, '127.0.0.1', () => socket.write(text))
        const timer = setTimeout(() => socket.destroy(), milliseconds)
        socket.on('data', (data) => (answer += data.toString()))
        socket.on('error', () => undefined)
        socket.on('close', () => {
          clearTimeout(timer)
          resolve(answer)
        })
      }),
    async close() {
      await server.close()
      await rm(folder, { recursive: true })
    },
  }
}

/** The events of a job's stream. */
export async function eventsOf(response: Response): Promise<Record<string, unknown>[]> {
  return (await response.text())
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

/** Reads a job's stream event by event. */
export async function* readEvents(response: Response): AsyncGenerator<Record<string, unknown>> {
  const decoder = new TextDecoder()
  let begun = ''
  for await (const bytes of response.body!) {
    const lines = (begun + decoder.decode(bytes as Uint8Array, { stream: true })).split('\n')
    begun = lines.pop()!
    for (const line of lines) yield JSON.parse(line) as Record<string, unknown>
  }
}
