import { HubApiError, listFiles, modelInfo } from '@huggingface/hub'
import { DiopterError } from '../errors/index.ts'
import { type HubAccess, hubFetch, statusError } from './http.ts'
import type { HubId } from './hub-id.ts'
import { isInsideFolder, noWeights, parseWeightsIndex, singleWeightsFile, weightsIndexFile } from './weight-files.ts'

/** A file of a hub repository. `blob` is its content's hash and its name in the cache. */
export interface HubFile {
  readonly path: string
  readonly size: number
  readonly blob: string
  /** Large files are named by the SHA-256 of their bytes, small ones by Git's SHA-1 of a blob. */
  readonly hash: 'sha256' | 'git-sha1'
}

/** A repository at one commit. */
export interface HubRepository {
  readonly id: string
  readonly commit: string
  readonly files: readonly HubFile[]
}

/** Asks the hub for a repository's commit and files. @throws DiopterError when it is not there or not allowed; HubUnreachableError. */
export async function listRepository({ id, revision }: HubId, access: HubAccess): Promise<HubRepository> {
  const { endpoint, token } = access
  const request = { hubUrl: endpoint, fetch: hubFetch(access) }
  try {
    const { sha } = await modelInfo({ name: id, revision, additionalFields: ['sha'], ...request })
    const files: HubFile[] = []
    for await (const { type, path, size, oid, lfs } of listFiles({
      repo: id,
      revision: sha,
      recursive: true,
      ...request,
    })) {
      // What a repository names must not lead out of the cache.
      if (type !== 'file' || !isInsideFolder(path)) continue
      const blob = lfs?.oid ?? oid ?? ''
      if (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(blob))
        throw new DiopterError(`${endpoint} names no hash for ${path} of ${id}.`)
      files.push({ path, size: lfs?.size ?? size, blob, hash: lfs ? 'sha256' : 'git-sha1' })
    }
    if (!/^[0-9a-f]{40}$/.test(sha)) throw new DiopterError(`${endpoint} names no commit for ${id}.`)
    return { id, commit: sha, files }
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new DiopterError(`${endpoint} does not answer as the hub does (${error.message}).`)
    if (!(error instanceof HubApiError)) throw error
    throw statusError(error.statusCode, new Headers(), `${id}@${revision}`, endpoint, !!token)
  }
}

/** Where a file's bytes are. */
export function fileUrl({ id, commit }: HubRepository, path: string, endpoint: string): string {
  return `${endpoint}/${id}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`
}

const companions =
  /^(config\.json|generation_config\.json|tokenizer[^/]*\.json|special_tokens_map\.json|chat_template\.jinja|model\.safetensors\.index\.json)$/

/** The small files that a model needs beside its weights. */
export function companionFiles({ files }: HubRepository): HubFile[] {
  return files.filter(({ path }) => companions.test(path))
}

/**
 * The weight files of a repository: the single file, or the shards of its index; never a second copy in another format.
 * @param readIndex reads `model.safetensors.index.json`, which is fetched by then.
 * @throws DiopterError when there are none, only pickles, or shards that the repository lacks.
 */
export async function repositoryWeights(
  { id, files }: HubRepository,
  readIndex: () => Promise<Record<string, unknown>>,
): Promise<HubFile[]> {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const single = byPath.get(singleWeightsFile)
  if (single) return [single]
  if (!byPath.has(weightsIndexFile)) throw noWeights(id, [...byPath.keys()])
  const shards = [...new Set(parseWeightsIndex(await readIndex(), `${id}/${weightsIndexFile}`).values())].sort()
  const missing = shards.filter((path) => !byPath.has(path))
  if (missing.length > 0) throw new DiopterError(`${id} lacks shards that its index names: ${missing.join(', ')}.`)
  return shards.map((path) => byPath.get(path)!)
}
