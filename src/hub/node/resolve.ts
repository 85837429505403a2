import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DiopterError, type WorkOptions } from '../../errors/index.ts'
import { parseHubId } from '../hub-id.ts'
import { type ResolvedModel, resolveHubModel } from '../snapshot.ts'
import { bundledCards, bundledModels } from './bundled.ts'
import { openModelCache } from './cache.ts'
import { type HubSettingOptions, hubSettings } from './environment.ts'
import { openFolder } from './folder.ts'

/** How a model reference is resolved. */
export interface ResolveOptions extends HubSettingOptions, WorkOptions {
  /** Branch, tag or commit; the same as `@revision` in the reference. */
  readonly revision?: string | undefined
  /** Folders of models by name; those that come with the package unless given. */
  readonly bundled?: ReadonlyMap<string, string> | undefined
  /** False where references come from elsewhere, and must open no other folders than the `bundled` ones; true unless given. */
  readonly anyFolder?: boolean | undefined
}

/**
 * Finds a model's files: a folder, a bundled name, or a hub id with optional `@revision`, which is downloaded into the
 * standard cache unless it is there. A folder of the same name comes first.
 * @throws DiopterError when there is no such model, it may not be read, it has no safetensors weights, or bytes arrive damaged.
 */
export async function resolveModel(ref: string, options: ResolveOptions = {}): Promise<ResolvedModel> {
  if (options.anyFolder !== false && (await isModelFolder(ref))) {
    return { id: ref, origin: 'folder', source: await openFolder(ref), revision: null, note: null }
  }
  const bundled = (options.bundled ?? bundledModels()).get(ref)
  if (bundled !== undefined) {
    const source = await openFolder(bundled, { description: ref })
    return { id: ref, origin: 'bundled', source, revision: null, note: null }
  }
  const card = options.bundled ? undefined : bundledCards().get(ref)
  if (card !== undefined)
    throw new DiopterError(
      `${ref} ships, but is no transformer to open: ${join(card, 'parameters.safetensors')} holds what was trained, for scripts. \`diopter models\` lists what can be opened.`,
    )
  const hubId = parseHubId(ref, options.revision)
  const settings = await hubSettings(options)
  const { signal, onProgress } = options
  return resolveHubModel(hubId, openModelCache(settings.cacheDir, hubId.id), { ...settings, signal, onProgress })
}

async function isModelFolder(ref: string): Promise<boolean> {
  const information = await stat(ref).catch(() => undefined)
  const isPath = /^(\.{0,2}[/\\]|~|[A-Za-z]:[/\\]|\.{1,2}$)/.test(ref)
  if (information?.isFile()) {
    throw new DiopterError(`${ref} is a file; give the folder that holds config.json and the weights.`)
  }
  if (!information) {
    if (isPath || /^[^@]*\/[^@]*\//.test(ref)) throw new DiopterError(`There is no folder ${ref}.`)
    return false
  }
  if (isPath || (await stat(join(ref, 'config.json')).catch(() => undefined))) return true
  throw new DiopterError(
    `The folder ${ref} has no config.json, so it holds no model. If the hub's model is meant, write ${ref}@main.`,
  )
}
