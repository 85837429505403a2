import { DiopterError } from '../../errors/index.ts'
import { readSafetensors } from '../../hub/safetensors-read.ts'
import { writeSafetensors } from '../../hub/safetensors-write.ts'
import type { Model } from '../../lab/index.ts'
import type { ModelConfig } from '../../models/index.ts'
import { type Tensor, tensor } from '../../tensor/index.ts'
import { lensHooks, type Translate } from './lens-readout.ts'

/** One affine map per row of the lens but the last: h becomes h + h A + b. All zeros are the logit lens. */
export interface Translators {
  /** Rows that are translated: `embed`, `0`, ... without the last block. */
  readonly layers: readonly string[]
  /** A: [row, d_model, d_model], for vectors that stand on the left. */
  readonly weight: Float32Array
  /** b: [row, d_model]. */
  readonly bias: Float32Array
}

/** A trained lens with what is known of it; what `tunedLens` takes and `saveLens` writes. */
export interface TrainedLens {
  readonly translators: Translators
  readonly card: LensCard
}

/** Of which model a lens is, and how it was made. */
export interface LensCard {
  readonly model: string
  readonly revision: string | null
  readonly processing: readonly string[]
  readonly layers: readonly string[]
  readonly d_model: number
  readonly training: LensTraining
}

/** How translators were trained. */
export interface LensTraining {
  readonly text: 'given' | "the model's own samples"
  readonly tokens: number
  readonly heldOutTokens: number
  readonly steps: number
  readonly tokensPerStep: number
  readonly learningRate: number
  readonly weightDecay: number
  readonly seed: number
  /** Steps that were done; fewer than `steps` when the work was cancelled. */
  readonly stepsDone: number
}

/** Translators of zeros: the logit lens. */
export function zeroTranslators(config: ModelConfig): Translators {
  const layers = lensHooks(config).layers.slice(0, -1)
  const { d_model } = config
  const size = layers.length * d_model
  return { layers, weight: new Float32Array(size * d_model), bias: new Float32Array(size) }
}

/** The translators as a lens applies them in a graph. */
export function translation({ d_model }: ModelConfig, { layers, weight, bias }: Translators): Translate {
  const weights = tensor(weight, [layers.length, d_model, d_model])
  const biases = tensor(bias, [layers.length, d_model])
  return (resid, row) => (row < layers.length ? translate(resid, weights.get(row), biases.get(row)) : resid)
}

/** h + h A + b */
export function translate(resid: Tensor, weight: Tensor, bias: Tensor): Tensor {
  return resid.add(resid.matmul(weight)).add(bias)
}

/** The files that hold a trained lens, by name. */
export const LENS_FILES = { translators: 'lens.safetensors', card: 'lens.json' } as const

/** A trained lens as the bytes of its two files. */
export function saveLens({ translators, card }: TrainedLens): Record<keyof typeof LENS_FILES, Uint8Array> {
  const { layers, weight, bias } = translators
  const [rows, width] = [layers.length, card.d_model]
  return {
    translators: writeSafetensors({
      weight: { dtype: 'F32', shape: [rows, width, width], data: weight },
      bias: { dtype: 'F32', shape: [rows, width], data: bias },
    }),
    card: new TextEncoder().encode(`${JSON.stringify({ format: FORMAT, ...card }, null, 2)}\n`),
  }
}

const FORMAT = 'diopter tuned lens 1'

/** A trained lens from the bytes of its two files. Throws when they are no lens, or one of a model of another shape. */
export function readLens(files: Record<keyof typeof LENS_FILES, Uint8Array>, { config }: Model): TrainedLens {
  const { format, ...card } = parseCard(files.card)
  if (format !== FORMAT) throw new DiopterError(`${LENS_FILES.card} says format '${format}'; this reads '${FORMAT}'.`)
  const { tensors } = readSafetensors(files.translators, LENS_FILES.translators)
  const { layers } = zeroTranslators(config)
  const rows = layers.length
  const read = (name: string, shape: readonly number[]) => {
    const found = tensors.get(name)
    if (found?.dtype === 'F32' && String(found.shape) === String(shape)) return found.data as Float32Array
    const what = found ? `${found.dtype} [${found.shape.join(', ')}]` : 'missing'
    throw new DiopterError(
      `The lens is of another model: '${name}' is ${what} in ${LENS_FILES.translators}, and this model needs F32 [${shape.join(', ')}]. Train one for it, without --lens.`,
    )
  }
  const { d_model } = config
  return {
    translators: { layers, weight: read('weight', [rows, d_model, d_model]), bias: read('bias', [rows, d_model]) },
    card,
  }
}

function parseCard(bytes: Uint8Array): LensCard & { readonly format: unknown } {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as LensCard & { readonly format: unknown }
  } catch (error) {
    throw new DiopterError(`${LENS_FILES.card} is not JSON: ${(error as Error).message}.`)
  }
}
