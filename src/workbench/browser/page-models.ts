import { DiopterError, type WorkOptions } from '../../errors/index.ts'
import type { FileSource } from '../../hub/source.ts'
import { blobSource } from '../../hub/web/files.ts'
import { httpSource } from '../../hub/web/http-source.ts'
import { modelStorage, resolveModel } from '../../hub/web/resolve.ts'
import { storedModels } from '../../hub/web/stored-models.ts'
import type { ModelSpec } from '../../runs/index.ts'
import { TOKEN_HEADER } from '../service/http-transport.ts'
import type { ModelEntry } from '../service/messages.ts'
import {
  SERVED_MODELS,
  type ServedModel,
  type ServedModels,
  servedEntry,
  servedFolder,
} from '../service/served-models.ts'
import { DROPPED, type DroppedFolder } from './dropped-folder.ts'
import type { WorkerSetup } from './worker-messages.ts'

/** The browser's cache of files that the page's host gave. */
const CACHE_NAME = 'diopter-models'

/** The models that a page can open: its host's, folders that were dropped on it, and the hub's. */
export class PageModels {
  private readonly setup: WorkerSetup
  /** What the host is asked with: in no URL, so that neither logs nor caches hold the token. */
  private readonly headers: Readonly<Record<string, string>>
  private readonly dropped = new Map<string, DroppedFolder>()
  private served: Promise<readonly ServedModel[]> | undefined

  constructor(setup: WorkerSetup) {
    this.setup = setup
    this.headers = setup.token ? { [TOKEN_HEADER]: setup.token } : {}
  }

  /** Makes a dropped folder a model by the name `ref`. */
  drop(ref: string, folder: DroppedFolder): void {
    this.dropped.set(ref, folder)
  }

  /** All that can be chosen; hub models that the browser keeps among them. Throws when the host's list cannot be read. */
  async list(): Promise<ModelEntry[]> {
    return [
      ...(await this.fromHost()).map(servedEntry),
      ...[...this.dropped].map(([ref, folder]) => droppedEntry(ref, folder)),
      ...(await this.stored()),
    ]
  }

  /** A model's files. @throws DiopterError when there is no such model, or it cannot be fetched. */
  async open({ ref, revision }: ModelSpec, { signal, onProgress }: WorkOptions): Promise<FileSource> {
    if (ref.startsWith(DROPPED)) return this.openDropped(ref)
    const served = (await this.fromHost()).find((model) => model.ref === ref)
    if (served) {
      if (served.problem !== null) throw new DiopterError(served.problem)
      const folder = new URL(servedFolder(ref), this.setup.base).href
      // Without a secure context (plain http from another machine) there is no such cache; the browser's own remains.
      const cache = globalThis.caches ? await caches.open(CACHE_NAME) : undefined
      return httpSource(folder, served.files, { description: ref, headers: this.headers, cache, signal, onProgress })
    }
    if (!canStore())
      throw new DiopterError(
        `"${ref}" is no model of this page, and hub models need the browser's private storage, which pages have over https or on this machine alone. Drop the model's folder instead.`,
      )
    const endpoint = this.setup.hubEndpoint
    const { source, note } = await resolveModel(ref, { revision, endpoint, signal, onProgress })
    if (note !== null) onProgress?.({ phase: note, done: 0, total: 1 })
    return source
  }

  private openDropped(ref: string): FileSource {
    const folder = this.dropped.get(ref)
    if (folder) return blobSource(new Map(folder.files.map(({ path, file }) => [path, file])), folder.name)
    throw new DiopterError(
      `The folder "${ref.slice(DROPPED.length)}" was dropped on another page, or before this one was reloaded: folders are read here and never uploaded. Drop it again.`,
    )
  }

  /** The host's list, asked once; again when that failed. */
  private fromHost(): Promise<readonly ServedModel[]> {
    this.served ??= fetchList(new URL(SERVED_MODELS, this.setup.base), this.headers).catch((error: unknown) => {
      this.served = undefined
      throw error
    })
    return this.served
  }

  private async stored(): Promise<ModelEntry[]> {
    if (!canStore()) return []
    const models = await storedModels(await modelStorage())
    return models.map(({ id, bytes }) => ({ ref: id, title: id, about: '', bytes, origin: 'cache', problem: null }))
  }
}

const canStore = (): boolean => globalThis.navigator?.storage?.getDirectory !== undefined

async function fetchList(url: URL, headers: Readonly<Record<string, string>>): Promise<readonly ServedModel[]> {
  const advice = 'Serve the whole folder that the build made, and reload the page'
  const response = await fetch(url, { cache: 'no-cache', headers }).catch((error: unknown) => {
    throw new DiopterError(`The page's host does not answer (${error instanceof Error ? error.message : error}).`)
  })
  if (!response.ok)
    throw new DiopterError(`The page's host answered ${response.status} for ${SERVED_MODELS}. ${advice}.`)
  const { models } = (await response.json().catch(() => ({}))) as Partial<ServedModels>
  if (!Array.isArray(models)) throw new DiopterError(`The host's ${SERVED_MODELS} is no list of models. ${advice}.`)
  return models
}

function droppedEntry(ref: string, { name, files }: DroppedFolder): ModelEntry {
  const bytes = files.reduce((sum, { file }) => sum + file.size, 0)
  const problem = files.some(({ path }) => path === 'config.json')
    ? null
    : `The folder ${name} has no config.json. A model needs config.json and model.safetensors, and tokenizer.json for texts.`
  return { ref, title: name, about: '', bytes, origin: 'dropped', problem }
}
