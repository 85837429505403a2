import { DiopterError, nearMatches, throwIfAborted } from '../errors/index.ts'
import { decodeInto, decodeTensor, type TensorData } from './decode.ts'
import {
  bytesPerElement,
  elementCount,
  parseHeaderLength,
  parseSafetensorsHeader,
  type SafetensorsDtype,
  type SafetensorsHeader,
  type TensorEntry,
} from './safetensors.ts'
import { type FileSource, readInto, readJsonObject } from './source.ts'
import { weightFiles } from './weight-files.ts'

/** One tensor as it lies in the file. */
export interface CheckpointTensor {
  readonly dtype: SafetensorsDtype
  readonly shape: readonly number[]
  readonly data: TensorData
}

/** An opened model repository: its config, and its tensors, which are read one by one when asked for. */
export interface Checkpoint {
  readonly source: FileSource
  /** The repository commit, or null for files that belong to none. */
  readonly revision: string | null
  /** `config.json`. */
  readonly config: Record<string, unknown>
  /** Every tensor by name. */
  readonly entries: ReadonlyMap<string, TensorEntry>
  /** The string metadata of the weight files. */
  readonly metadata: Readonly<Record<string, string>>
  /** Number of stored elements in all. */
  readonly elements: number
  /** Bytes of all tensors as stored. */
  readonly totalBytes: number
  /** Bytes of all tensors as float32: what loading them all takes in memory. */
  readonly float32Bytes: number
  /** Whether the repository has a `tokenizer.json`. */
  readonly hasTokenizer: boolean
  /** Reads a tensor in its own dtype. @throws DiopterError when there is none of that name. */
  read(name: string, options?: { signal?: AbortSignal | undefined }): Promise<CheckpointTensor>
  /**
   * Reads a tensor as float32, straight into `into` when given, holding no second copy of it.
   * @returns the values in row-major order. @throws DiopterError when there is no such tensor, or `into` has another length.
   */
  readFloat32(name: string, into?: Float32Array, options?: { signal?: AbortSignal | undefined }): Promise<Float32Array>
}

/** What is read and converted at a time. */
const chunkBytes = 16 * 1024 * 1024

/**
 * Opens a model repository: `config.json` and `model.safetensors`, or the shards that `model.safetensors.index.json` names.
 * @returns the checkpoint; no weights are read yet.
 * @throws DiopterError when a file is missing or malformed, or the weights are pickles.
 */
export async function openCheckpoint(source: FileSource): Promise<Checkpoint> {
  const config = await readJsonObject(source, 'config.json')
  const { files, indexed } = await weightFiles(source)
  const entries = new Map<string, TensorEntry>()
  const metadata: Record<string, string> = {}
  for (const file of files) {
    const header = await readSafetensorsHeader(source, file)
    Object.assign(metadata, header.metadata)
    for (const [name, entry] of header.entries) {
      const other = entries.get(name)
      if (other) throw new DiopterError(`${source.description}: "${name}" is in both ${other.file} and ${file}.`)
      entries.set(name, entry)
    }
  }
  checkIndex(source, indexed, entries)

  const elements = [...entries.values()].reduce((sum, entry) => sum + elementCount(entry.shape), 0)
  const entryOf = (name: string): TensorEntry => {
    const entry = entries.get(name)
    if (entry) return entry
    const near = nearMatches(name, entries.keys())
    throw new DiopterError(`${source.description} has no tensor "${name}". Closest: ${near.join(', ')}.`)
  }
  return {
    source,
    revision: source.revision ?? null,
    config,
    entries,
    metadata,
    elements,
    totalBytes: [...entries.values()].reduce((sum, { begin, end }) => sum + end - begin, 0),
    float32Bytes: 4 * elements,
    hasTokenizer: source.files.includes('tokenizer.json'),
    async read(name, options = {}) {
      const { dtype, shape, file, begin, end } = entryOf(name)
      throwIfAborted(options.signal)
      const bytes = new Uint8Array(end - begin)
      await readInto(source, file, begin, bytes)
      return { dtype, shape, data: decodeTensor(bytes, dtype, 'native') }
    },
    async readFloat32(name, into, options = {}) {
      const entry = entryOf(name)
      const values = into ?? new Float32Array(elementCount(entry.shape))
      if (values.length !== elementCount(entry.shape)) {
        throw new DiopterError(
          `"${name}" has shape [${entry.shape}], ${elementCount(entry.shape)} elements; the array given has ${values.length}.`,
        )
      }
      await fillFloat32(source, entry, values, options.signal)
      return values
    },
  }
}

/** Reads the header of one safetensors file. @throws DiopterError when it is malformed. */
export async function readSafetensorsHeader(source: FileSource, file: string): Promise<SafetensorsHeader> {
  const size = await source.size(file)
  const where = `${source.description}/${file}`
  const length = parseHeaderLength(await source.readRange(file, 0, Math.min(8, size)), size, where)
  const { entries, metadata } = parseSafetensorsHeader(await source.readRange(file, 8, 8 + length), size, where)
  return { entries: new Map([...entries].map(([name, entry]) => [name, { ...entry, file }])), metadata }
}

function checkIndex(
  source: FileSource,
  indexed: ReadonlyMap<string, string>,
  entries: ReadonlyMap<string, TensorEntry>,
): void {
  const wrong = [...indexed].filter(([name, file]) => entries.get(name)?.file !== file)
  if (wrong.length === 0) return
  const [name, file] = wrong[0]!
  const actual = entries.get(name)?.file
  throw new DiopterError(
    `${source.description}: the index puts "${name}" in ${file}, but ${actual ? `it is in ${actual}` : 'no shard has it'}` +
      `${wrong.length > 1 ? ` (and ${wrong.length - 1} more like it)` : ''}. Index and shards are of different models.`,
  )
}

/** Converts chunk by chunk, so that the stored form of a large tensor is never whole in memory beside the values. */
async function fillFloat32(
  source: FileSource,
  { dtype, file, begin, end }: TensorEntry,
  values: Float32Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  const size = bytesPerElement[dtype]
  const direct = dtype === 'F32' ? new Uint8Array(values.buffer, values.byteOffset, values.byteLength) : undefined
  const scratch = direct ? undefined : new Uint8Array(Math.min(chunkBytes, end - begin))
  for (let offset = 0; offset < end - begin; offset += chunkBytes) {
    throwIfAborted(signal)
    const length = Math.min(chunkBytes, end - begin - offset)
    const bytes = (direct?.subarray(offset, offset + length) ?? scratch?.subarray(0, length))!
    await readInto(source, file, begin + offset, bytes)
    if (!direct) decodeInto(bytes, dtype, values.subarray(offset / size, (offset + length) / size))
  }
}
