import type { WorkOptions } from '../../errors/index.ts'
import { parseHubId } from '../hub-id.ts'
import { type ResolvedModel, resolveHubModel } from '../snapshot.ts'
import { openBrowserStore } from './store.ts'

/** How a page fetches a hub model. */
export interface BrowserResolveOptions extends WorkOptions {
  readonly revision?: string | undefined
  readonly endpoint?: string | undefined
  readonly token?: string | null | undefined
  readonly offline?: boolean | undefined
  /** The folder that models are kept in; `diopter-models` of the page's private file system unless given. */
  readonly storage?: FileSystemDirectoryHandle | undefined
}

/**
 * Finds a hub model (`owner/name`, with optional `@revision`) in the browser's private file system, downloading what is missing.
 * @throws DiopterError when it does not exist, may not be read, has no safetensors weights, arrives damaged, or does not fit.
 */
export async function resolveModel(ref: string, options: BrowserResolveOptions = {}): Promise<ResolvedModel> {
  const hubId = parseHubId(ref, options.revision)
  const { endpoint = 'https://huggingface.co', token, offline = false, signal, onProgress } = options
  const storage = options.storage ?? (await modelStorage())
  const resolve = () =>
    resolveHubModel(hubId, openBrowserStore(storage, hubId.id), { endpoint, token, offline, signal, onProgress })
  // Two tabs that fetch one model take turns, so that they do not write the same pieces.
  return navigator.locks ? navigator.locks.request(`diopter-model ${hubId.id}`, { signal }, resolve) : resolve()
}

/** The folder of the page's private file system that hub models are kept in. Throws what the browser says when it has none. */
export async function modelStorage(): Promise<FileSystemDirectoryHandle> {
  return (await navigator.storage.getDirectory()).getDirectoryHandle('diopter-models', { create: true })
}
