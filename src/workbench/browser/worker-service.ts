import { createService, type Transport } from '../service/create-service.ts'
import type { Service } from '../service/service.ts'
import { DROPPED, type DroppedFolder } from './dropped-folder.ts'
import { WorkerLane } from './worker-lane.ts'
import type { ToWorker, WorkerSetup } from './worker-messages.ts'

/** How the page's own engine is made. */
export interface BrowserServiceOptions extends Partial<WorkerSetup> {
  /** Milliseconds from cancelling to ending the worker; 2000 unless given. */
  readonly patience?: number | undefined
}

/** The engine in the page. */
export interface BrowserService extends Service {
  /** Makes a dropped folder a model of this page; gives its `ref`. The files are read here and never uploaded. */
  addFolder(folder: DroppedFolder): string
}

/** A service in Web Workers of this page: one for models, and one for trainings, so that neither waits for the other. */
export function createBrowserService({
  base = new URL('.', document.baseURI).href,
  token,
  threads,
  hubEndpoint,
  patience,
}: BrowserServiceOptions = {}): BrowserService {
  const folders = new Map<string, DroppedFolder>()
  const create = () => new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'diopter' })
  const greet = (): ToWorker[] => [
    { kind: 'setup', setup: { base, token, threads, hubEndpoint } },
    ...[...folders].map(([ref, folder]): ToWorker => ({ kind: 'folder', ref, folder })),
  ]
  const [models, trainings] = [new WorkerLane(create, greet), new WorkerLane(create, greet)]
  const transport: Transport = {
    patience,
    send: (request, receive) => (request.kind === 'train' ? trainings : models).send(request, receive),
    async dispose() {
      models.dispose()
      trainings.dispose()
    },
  }
  return {
    ...createService('browser', transport),
    addFolder(folder) {
      const ref = freeRef(folder.name, folders)
      folders.set(ref, folder)
      models.tell({ kind: 'folder', ref, folder })
      return ref
    },
  }
}

/** `dropped:NAME`, with a number behind it when another folder has that name: what is open keeps its files. */
function freeRef(name: string, folders: ReadonlyMap<string, DroppedFolder>): string {
  let ref = `${DROPPED}${name}`
  for (let number = 2; folders.has(ref); number++) ref = `${DROPPED}${name} ${number}`
  return ref
}
