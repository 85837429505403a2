// The page's Web Worker: opens models and answers requests, so that the page itself never waits.
import type { Backend } from '../../engine/index.ts'
import { createWebBackend } from '../../engine/web/backend.ts'
import { DiopterError } from '../../errors/index.ts'
import { openModel } from '../../lab/index.ts'
import { type ServiceHost, serveRequest } from '../service/answer.ts'
import type { BackendName } from '../service/messages.ts'
import { OpenModels } from '../service/open-models.ts'
import { isLast } from '../service/wire.ts'
import { PageModels } from './page-models.ts'
import { SharedBackends } from './shared-backends.ts'
import type { FromWorker, ToWorker, WorkerSetup } from './worker-messages.ts'

/** Weights of all open models together. */
const OPEN_BYTES = 1e9
/** WebAssembly addresses 4 GB, and a session holds up to 2.4 times the weights. */
const MODEL_BYTES = 1.6e9

interface Answering {
  readonly host: ServiceHost
  readonly models: PageModels
}

function startAnswering(setup: WorkerSetup): Answering {
  const models = new PageModels(setup)
  const createBackend = async (backend: BackendName): Promise<Backend> => {
    if (backend !== 'wasm' && backend !== 'webgpu')
      throw new DiopterError(`The backend '${backend}' runs in Node alone. In a browser choose wasm or webgpu.`)
    return createWebBackend({ provider: backend, threads: setup.threads, wasmPaths: new URL('ort/', setup.base).href })
  }
  const backends = new SharedBackends(createBackend)
  const open = new OpenModels(async (spec, { backend, signal, onProgress }) => {
    const { backend: shared, ready } = await backends.get(backend)
    const source = await models.open(spec, { signal, onProgress })
    const { ref, processing } = spec
    const [model] = await Promise.all([
      openModel(source, shared, { name: ref, processing, memoryLimit: MODEL_BYTES, signal, onProgress }),
      ready,
    ])
    return model
  }, OPEN_BYTES)
  return { models, host: { listModels: () => models.list(), models: open, createBackend } }
}

let answering: Answering | undefined
const running = new Map<number, AbortController>()

globalThis.addEventListener('message', ({ data }: MessageEvent<ToWorker>) => {
  if (data.kind === 'setup') answering = startAnswering(data.setup)
  if (data.kind === 'folder') answering?.models.drop(data.ref, data.folder)
  if (data.kind === 'request' && answering) void answer(data.id, data.request, answering.host)
  if (data.kind === 'cancel') running.get(data.id)?.abort(new DiopterError('The work was cancelled.'))
})

async function answer(id: number, request: unknown, host: ServiceHost): Promise<void> {
  const controller = new AbortController()
  running.set(id, controller)
  const send = (message: FromWorker) => globalThis.postMessage(message)
  await serveRequest(
    request,
    { signal: controller.signal, send: (event) => send({ id, event, last: isLast(event) }) },
    host,
  )
  running.delete(id)
}
