import { DiopterError } from '../errors/index.ts'
import type { Shape } from '../tensor/index.ts'
import type { Architecture, ConfigJson } from './architectures/architecture.ts'
import { architectures } from './architectures/index.ts'
import type { ModelConfig } from './config.ts'
import { type HookPoint, hookPoints } from './hook-points.ts'
import type { ParameterSpec } from './parameters.ts'

/** What is known of a checkpoint's tensor before it is read. */
export interface CheckpointEntry {
  /** The safetensors dtype, for example `F32` or `BF16`. */
  readonly dtype: string
  readonly shape: Shape
}

/** A model that a checkpoint holds: everything but the values. */
export interface ModelDescription {
  readonly config: ModelConfig
  readonly parameters: readonly ParameterSpec[]
  readonly hookPoints: readonly HookPoint[]
  /** Checkpoint tensors that are not read: mask and rotary buffers, and the copy of a tied embedding. */
  readonly unread: readonly string[]
}

const FLOATS = ['F64', 'F32', 'F16', 'BF16']

/**
 * Describes the model in a checkpoint from its config.json and the names, dtypes and shapes of its tensors.
 * @throws DiopterError for an unknown `model_type`, an unsupported config value, and a tensor that is missing, left over,
 * of another shape or not of floats.
 */
export function describeModel(json: ConfigJson, entries: ReadonlyMap<string, CheckpointEntry>): ModelDescription {
  const architecture = findArchitecture(json)
  const config = architecture.config(json)
  const shapes = new Map([...entries].map(([name, { shape }]) => [name, shape]))
  const parameters = architecture.parameters(config, shapes, json)
  for (const { name, source } of parameters) {
    const dtype = entries.get(source.tensor)!.dtype
    if (!FLOATS.includes(dtype)) {
      throw new DiopterError(
        `${config.architecture}: tensor ${source.tensor} (${name}) is stored as ${dtype}; supported are ${FLOATS.join(', ')}. Quantized checkpoints are not.`,
      )
    }
  }
  const used = new Set(parameters.map(({ source }) => source.tensor))
  const unread = [...entries.keys()].filter((name) => !used.has(name))
  const leftover = unread.filter((name) => !isExpected(name, architecture, config))
  if (leftover.length > 0) {
    throw new DiopterError(
      `${config.architecture}: the checkpoint has ${leftover.length} tensors that this family does not use, such as ` +
        `${leftover.slice(0, 4).join(', ')}. It is another architecture, or has options that are not supported.`,
    )
  }
  return { config, parameters, hookPoints: hookPoints(config), unread }
}

function isExpected(name: string, architecture: Architecture, config: ModelConfig): boolean {
  if (architecture.buffers.some((buffer) => buffer.test(name))) return true
  // Files made before ties were written out hold the head a second time; the tied embedding counts.
  return config.tie_word_embeddings && /^(lm_head|embed_out)\.weight$|^unembed\.W_U$/.test(name)
}

function findArchitecture(json: ConfigJson): Architecture {
  const isToy = json.model_type === undefined && typeof json.config === 'object'
  const type = isToy ? 'toy' : json.model_type
  const found = architectures.find(({ modelTypes }) => modelTypes.some((one) => one === type))
  if (found) return found
  const known = architectures.flatMap(({ modelTypes }) => modelTypes).join(', ')
  throw new DiopterError(
    `config.json has model_type ${JSON.stringify(type)}, an architecture that is not supported. Supported: ${known}.`,
  )
}
