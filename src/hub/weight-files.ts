import { DiopterError } from '../errors/index.ts'
import { type FileSource, readJsonObject } from './source.ts'

/** The weights of an unsharded model. */
export const singleWeightsFile = 'model.safetensors'
/** The weights of a folder that TransformerLens's state dict was written to. */
export const stateDictFile = 'weights.safetensors'
/** The list of the shards of a larger one. */
export const weightsIndexFile = 'model.safetensors.index.json'

/** Which files hold a model's weights, and which of them the index (when there is one) promises for each tensor. */
export interface WeightFiles {
  readonly files: readonly string[]
  readonly indexed: ReadonlyMap<string, string>
}

/**
 * Finds the weight files of a repository, preferring the single file as transformers does.
 * @throws DiopterError when there are none, when they are pickles, or when shards are missing.
 */
export async function weightFiles(source: FileSource): Promise<WeightFiles> {
  if (source.files.includes(singleWeightsFile)) return { files: [singleWeightsFile], indexed: new Map() }
  if (!source.files.includes(weightsIndexFile) && source.files.includes(stateDictFile))
    return { files: [stateDictFile], indexed: new Map() }
  if (!source.files.includes(weightsIndexFile)) throw noWeights(source.description, source.files)
  const indexed = parseWeightsIndex(
    await readJsonObject(source, weightsIndexFile),
    `${source.description}/${weightsIndexFile}`,
  )
  const files = [...new Set(indexed.values())].sort()
  const missing = files.filter((file) => !source.files.includes(file))
  if (missing.length > 0) {
    throw new DiopterError(
      `${source.description}: ${missing.length} of ${files.length} shards are missing: ${missing.join(', ')}.`,
    )
  }
  return { files, indexed }
}

/** Reads the tensor -> shard map of an index. @throws DiopterError when it is malformed or a shard path leaves the folder. */
export function parseWeightsIndex(index: Record<string, unknown>, where: string): Map<string, string> {
  const map = index.weight_map
  if (typeof map !== 'object' || map === null || Array.isArray(map)) {
    throw new DiopterError(`${where} has no "weight_map" object.`)
  }
  for (const [name, shard] of Object.entries(map)) {
    if (typeof shard !== 'string' || !isInsideFolder(shard) || !shard.endsWith('.safetensors')) {
      throw new DiopterError(
        `${where} puts "${name}" in ${JSON.stringify(shard)}; a shard is a .safetensors file inside the same folder.`,
      )
    }
  }
  if (Object.keys(map).length === 0) throw new DiopterError(`${where} lists no tensors.`)
  return new Map(Object.entries(map as Record<string, string>))
}

/** Whether a relative path written with `/` stays inside its folder on every system. */
export function isInsideFolder(path: string): boolean {
  return !/[\\:\0]/.test(path) && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
}

/** The error for a repository without safetensors weights. */
export function noWeights(description: string, files: readonly string[]): DiopterError {
  const pickles = files.filter((file) => /\.(bin|pt|pth|ckpt|pkl)$/.test(file))
  if (pickles.length > 0) {
    return new DiopterError(
      `${description} has its weights only as pickles (${pickles.join(', ')}). Loading a pickle can run any code it holds, ` +
        'so Diopter reads safetensors only. Convert it where you trust it: in Python, ' +
        'AutoModelForCausalLM.from_pretrained(DIR).save_pretrained(NEW_DIR, safe_serialization=True).',
    )
  }
  const shards = files.filter((file) => file.endsWith('.safetensors'))
  const have = shards.length > 0 ? ` It has ${shards.join(', ')}.` : ''
  return new DiopterError(
    `${description} has no weights: neither ${singleWeightsFile} nor ${weightsIndexFile} is there.${have}`,
  )
}
