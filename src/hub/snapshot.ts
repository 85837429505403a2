import { DiopterError, type WorkOptions } from '../errors/index.ts'
import { downloadVerified, type Hasher, type PartialFile, transferMeter } from './download.ts'
import { type HubAccess, HubUnreachableError, hubFetch } from './http.ts'
import {
  companionFiles,
  fileUrl,
  type HubFile,
  type HubRepository,
  listRepository,
  repositoryWeights,
} from './hub-api.ts'
import type { HubId } from './hub-id.ts'
import { type FileSource, readJsonObject } from './source.ts'
import { weightFiles, weightsIndexFile } from './weight-files.ts'

/** A model's files, ready to be opened. */
export interface ResolvedModel {
  /** What the reference names: the folder's path, the bundled name or the hub id. */
  readonly id: string
  readonly origin: 'folder' | 'bundled' | 'hub'
  readonly source: FileSource
  /** The commit of a hub model, else null. */
  readonly revision: string | null
  /** A sentence when something is not as asked, such as a hub that could not be reached. */
  readonly note: string | null
}

/** A partial file that belongs to one download until it is committed or handed back. */
export interface ClaimedPartialFile extends PartialFile {
  /** Makes the verified bytes the stored file. */
  commit(): Promise<void>
  /** Leaves the bytes for a later download to continue. */
  handBack(): Promise<void>
}

/** Where one model's downloaded files are kept: the standard cache on disk, or a browser's private file system. */
export interface SnapshotStore {
  /** For people: where it is. */
  readonly description: string
  /** The commit that a revision was last seen at; null when it never was. */
  readRef(revision: string): Promise<string | null>
  writeRef(revision: string, commit: string): Promise<void>
  /** The files of a commit that are linked so far; null when there is nothing of it. */
  open(commit: string): Promise<FileSource | null>
  /** Whether a file's verified bytes are stored. */
  holds(commit: string, file: HubFile): Promise<boolean>
  claim(file: HubFile): Promise<ClaimedPartialFile>
  createHasher(file: HubFile): Hasher
  /** Makes stored bytes a file of a commit. */
  link(commit: string, file: HubFile): Promise<void>
}

/** How a hub model is fetched. */
export interface HubModelOptions extends HubAccess, WorkOptions {
  /** Use what is stored and ask nobody. */
  readonly offline: boolean
}

/**
 * Finds a hub model in a store, and downloads what is missing or newer.
 * @throws DiopterError when it does not exist, may not be read, has no safetensors weights, arrives damaged, or is neither stored nor reachable.
 */
export async function resolveHubModel(
  hubId: HubId,
  store: SnapshotStore,
  options: HubModelOptions,
): Promise<ResolvedModel> {
  const stored = await storedModel(hubId, store)
  // A commit never changes, so there is nothing to ask.
  if (stored && stored.revision === hubId.revision) return stored
  if (options.offline) {
    if (stored) return stored
    const commit = await store.readRef(hubId.revision)
    const state = commit ? `is not complete in the cache (commit ${commit})` : 'is not in the cache'
    throw new DiopterError(
      `${hubId.id}@${hubId.revision} ${state} at ${store.description}, and offline work (HF_HUB_OFFLINE) forbids fetching it. Go online once, or give a local folder.`,
    )
  }
  try {
    return await fetchModel(hubId, store, options)
  } catch (error) {
    if (!(error instanceof HubUnreachableError) || !stored) throw error
    return { ...stored, note: `${error.message} The copy in the cache is used (commit ${stored.revision}).` }
  }
}

/** The stored model at a revision, if all that a model needs is there. */
async function storedModel({ id, revision }: HubId, store: SnapshotStore): Promise<ResolvedModel | null> {
  const commit = await store.readRef(revision)
  const source = commit ? await store.open(commit) : null
  if (!source?.files.includes('config.json')) return null
  const complete = await weightFiles(source).then(
    () => true,
    () => false,
  )
  return complete ? { id, origin: 'hub', source, revision: commit, note: null } : null
}

async function fetchModel(hubId: HubId, store: SnapshotStore, options: HubModelOptions): Promise<ResolvedModel> {
  const repository = await listRepository(hubId, options)
  const { id, commit } = repository
  const open = async () => {
    const source = await store.open(commit)
    if (!source) throw new DiopterError(`${id}: nothing of commit ${commit} is left at ${store.description}.`)
    return source
  }
  const companions = companionFiles(repository)
  const weights = await repositoryWeights(repository, async () => {
    const index = companions.filter(({ path }) => path === weightsIndexFile)
    await fetchFiles(repository, index, store, { ...options, onProgress: undefined })
    return readJsonObject(await open(), weightsIndexFile)
  })
  await fetchFiles(repository, [...companions, ...weights], store, options)
  // Written last: offline, a reference leads to a complete snapshot.
  await store.writeRef(hubId.revision, commit)
  return { id, origin: 'hub', source: await open(), revision: commit, note: null }
}

async function fetchFiles(
  repository: HubRepository,
  files: readonly HubFile[],
  store: SnapshotStore,
  options: HubModelOptions,
): Promise<void> {
  const missing: HubFile[] = []
  for (const file of files) if (!(await store.holds(repository.commit, file))) missing.push(file)
  const meter = transferMeter(
    missing.reduce((sum, { size }) => sum + size, 0),
    options.onProgress,
  )
  for (const file of missing) {
    const partial = await store.claim(file)
    try {
      await downloadVerified({
        file,
        url: fileUrl(repository, file.path, options.endpoint),
        fetch: hubFetch(options),
        partial,
        createHasher: store.createHasher,
        signal: options.signal,
        hasToken: !!options.token,
        onSize: (bytes) => meter(file.path, bytes),
      })
    } catch (error) {
      await partial.handBack()
      throw error
    }
    await partial.commit()
  }
  for (const file of files) await store.link(repository.commit, file)
}
