import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openCheckpoint } from '../../src/hub/checkpoint.ts'
import { openFolder } from '../../src/hub/node/folder.ts'
import {
  describeModel,
  type Forward,
  type ModelDescription,
  type ParameterSpec,
  type RectangularRun,
  rectangularForward,
  storedShape,
  storedValues,
} from '../../src/models/index.ts'
import { input, type Tensor, tensor } from '../../src/tensor/index.ts'

/** The folder of reference files beside the repository; a clone may lack it. */
export const referenceFolder: string = fileURLToPath(new URL('../../../shared/reference', import.meta.url))
export const hasReferences: boolean = existsSync(referenceFolder)

const foldersOf = (kind: string): readonly string[] =>
  hasReferences ? readdirSync(join(referenceFolder, kind)).sort() : []
export const huggingfaceModels: readonly string[] = foldersOf('huggingface')
export const transformerLensModels: readonly string[] = foldersOf('transformerlens')

/** An array of a reference file. */
export interface Stored {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** A reference model without an engine: its description, and every parameter's values in their stored order. */
export interface Opened extends Pick<ModelDescription, 'config' | 'parameters'> {
  readonly stored: ReadonlyMap<string, Float32Array>
}

export function readJson(...path: string[]) {
  return JSON.parse(readFileSync(join(...path), 'utf8'))
}

/** Reads a safetensors file of F32 and I64 tensors without the library's own reader. */
export function readTensors(...path: string[]): Map<string, Stored> {
  const bytes = readFileSync(join(...path))
  const length = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  const result = new Map<string, Stored>()
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (name === '__metadata__') continue
    if (dtype !== 'F32' && dtype !== 'I64') throw new Error(`${join(...path)}: ${name} is ${dtype}.`)
    const part = bytes.subarray(8 + length + data_offsets[0], 8 + length + data_offsets[1])
    const copy = part.buffer.slice(part.byteOffset, part.byteOffset + part.byteLength)
    const data = dtype === 'F32' ? new Float32Array(copy) : Float32Array.from(new BigInt64Array(copy), Number)
    result.set(name, { shape, data })
  }
  return result
}

/** The largest |a - b|, infinities of one sign agreeing; NaN or different lengths are infinitely far apart. */
export function largestError(a: ArrayLike<number | bigint>, b: ArrayLike<number | bigint>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY
  let worst = 0
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [Number(a[i]), Number(b[i])]
    const difference = x === y ? 0 : Math.abs(x - y)
    if (!(difference <= worst)) worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference
  }
  return worst
}

/** A checkpoint in Hugging Face's layout. */
export async function openReference(folder: string): Promise<Opened> {
  const checkpoint = await openCheckpoint(await openFolder(folder))
  const { config, parameters } = describeModel(checkpoint.config, checkpoint.entries)
  const stored = new Map<string, Float32Array>()
  for (const spec of parameters) {
    stored.set(spec.name, storedValues(spec, await checkpoint.readFloat32(spec.source.tensor)))
  }
  return { config, parameters, stored }
}

/** A model that TransformerLens saved. */
export function openTransformerLens(folder: string): Opened {
  const weights = readTensors(folder, 'weights.safetensors')
  const entries = new Map([...weights].map(([name, { shape }]) => [name, { dtype: 'F32', shape }]))
  const { config, parameters } = describeModel(readJson(folder, 'config.json'), entries)
  return { config, parameters, stored: storedOf(parameters, weights) }
}

/** Every parameter's values in their stored order, from the arrays that its source names. */
export function storedOf(
  parameters: readonly ParameterSpec[],
  weights: ReadonlyMap<string, { readonly data: Float32Array }>,
): Map<string, Float32Array> {
  return new Map(parameters.map((spec) => [spec.name, storedValues(spec, weights.get(spec.source.tensor)!.data)]))
}

/**
 * A plain forward pass over `tokens`. `seen` fills with the activations by hook while the model is traced; `feeds` has one
 * input per parameter, in the order of the parameters.
 */
export function recordingForward(
  { config, parameters, stored }: Opened,
  tokens: readonly (readonly number[])[],
  { wants, hook = (_, x) => x }: Pick<RectangularRun, 'wants' | 'hook'> = {},
): { forward: Forward; seen: Map<string, Tensor>; feeds: Map<Tensor, Float32Array> } {
  const inputs = new Map(parameters.map((spec) => [spec.name, input(spec.name, storedShape(spec))]))
  const axes = new Map(parameters.map((spec) => [spec.name, spec.axes]))
  const seen = new Map<string, Tensor>()
  const forward = rectangularForward({
    config,
    tokens: tensor(tokens.flat(), [tokens.length, tokens[0]!.length], 'int64'),
    weight: (name) => inputs.get(name)!.transpose(...axes.get(name)!),
    hasWeight: (name) => inputs.has(name),
    wants,
    hook(name, x) {
      const y = hook(name, x)
      seen.set(name, y)
      return y
    },
  })
  return { forward, seen, feeds: new Map([...inputs].map(([name, node]) => [node, stored.get(name)!])) }
}
