import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { builtEntry } from '../../engine/node/built-entry.ts'
import { DiopterError } from '../../errors/index.ts'
import { type JobLimits, Jobs } from './jobs.ts'
import { type ModelPlace, modelsInFolders } from './model-places.ts'
import type { BodyLimits } from './read-json-body.ts'
import { answerHttp } from './routes.ts'

/** How the workbench's server is started. */
export interface WorkbenchServerOptions {
  /** The port; the first free one from 4120 on unless given, any free one for 0. */
  readonly port?: number | undefined
  /** The folder of the built page. */
  readonly page: string
  /** The models that ship. */
  readonly shipped?: readonly ModelPlace[]
  /** Folders of models, or of such folders: beside those that ship, only they are read. */
  readonly folders?: readonly string[]
  /** The built job process; found in this package's `dist` by default. */
  readonly jobEntry?: string
  readonly limits?: JobLimits & { readonly body?: BodyLimits }
}

/** A running server. */
export interface WorkbenchServer {
  readonly port: number
  /** What requests must bring; new at every launch. */
  readonly token: string
  /** The page's address, with the token behind `#`, where it is sent to nobody. */
  readonly address: string
  /** The process that does the jobs, while there is one. */
  readonly jobProcess: number | undefined
  /** Ends jobs, process and connections. */
  close(): Promise<void>
}

const FIRST_PORT = 4120
/** Ports that are tried when none was asked for. */
const PORTS = 20

/**
 * Serves the workbench's page and its Node engine to this machine alone (127.0.0.1).
 * Throws when the page or the job process is not built, a folder holds no model, or the port is taken.
 */
export async function startWorkbenchServer(options: WorkbenchServerOptions): Promise<WorkbenchServer> {
  const { page, shipped = [], folders = [], jobEntry = builtEntry('workbench-node/job-process.js'), limits } = options
  if (!existsSync(join(page, 'index.html')))
    throw new DiopterError(
      `The workbench's page is not at ${page}: \`npm start\` builds it (so does \`npx vite build\`).`,
    )
  if (!existsSync(jobEntry))
    throw new DiopterError(`The workbench's job process is not at ${jobEntry}: run \`npm run build\`.`)
  const given = await modelsInFolders(folders)
  const places = [...shipped, ...given.filter(({ ref }) => !shipped.some((one) => one.ref === ref))]
  const token = randomBytes(24).toString('base64url')
  const jobs = new Jobs(jobEntry, places, limits)
  const body = limits?.body ?? { bytes: 2 ** 20, milliseconds: 10_000 }
  // Known before the first request, and still known to the last ones while the server closes.
  let port = 0
  const server = createServer(
    { headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 5_000, maxHeaderSize: 16_384 },
    (request, response) => {
      void answerHttp(request, response, { port, token, page, places, jobs, body })
    },
  )
  server.maxConnections = 256
  server.on('clientError', (_, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
    else socket.destroy()
  })
  await listen(server, options.port)
  port = (server.address() as AddressInfo).port
  return {
    port,
    token,
    address: `http://127.0.0.1:${port}/#token=${token}`,
    get jobProcess() {
      return jobs.pid
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      await jobs.dispose()
      server.closeAllConnections()
      await closed
    },
  }
}

async function listen(server: Server, asked: number | undefined): Promise<void> {
  const ports = asked === undefined ? Array.from({ length: PORTS }, (_, i) => FIRST_PORT + i) : [asked]
  for (const port of ports) {
    try {
      return await listenOn(server, port)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EACCES')
        throw new DiopterError(`The port ${port} may not be used by this user; try another --port.`)
      if (code !== 'EADDRINUSE') throw error
    }
  }
  if (asked !== undefined)
    throw new DiopterError(
      `The port ${asked} is taken by another program (a workbench that still runs?). Choose another --port, or leave it out to get a free one.`,
    )
  throw new DiopterError(`The ports ${FIRST_PORT} to ${ports.at(-1)} are all taken; choose another with --port.`)
}

function listenOn(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      resolve()
    })
  })
}
