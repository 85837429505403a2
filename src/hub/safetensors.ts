import { DiopterError } from '../errors/index.ts'
import { duplicateKey } from './duplicate-key.ts'

/** The element types that a safetensors file may hold here. */
export type SafetensorsDtype = 'F64' | 'F32' | 'F16' | 'BF16' | 'I64' | 'I32' | 'I16' | 'I8' | 'U8' | 'BOOL'

/** Bytes of one element of each dtype. */
export const bytesPerElement: Readonly<Record<SafetensorsDtype, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
}

/** Where one tensor lies: `begin` and `end` are byte offsets from the start of `file`. */
export interface TensorEntry {
  readonly name: string
  readonly dtype: SafetensorsDtype
  readonly shape: readonly number[]
  readonly file: string
  readonly begin: number
  readonly end: number
}

/** What a safetensors header says: its tensors in file order and its free-form string metadata. */
export interface SafetensorsHeader {
  readonly entries: Map<string, TensorEntry>
  readonly metadata: Record<string, string>
}

/** The format's own bound on the header, which keeps a hostile file from claiming all memory. */
export const maximumHeaderBytes = 100_000_000

/** Number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

/**
 * Reads the header length from the first eight bytes of a safetensors file.
 * @returns the number of JSON bytes that follow the eight bytes.
 * @throws DiopterError when the file is too short, is a Git LFS pointer, or claims a header beyond the file or over 100 MB.
 */
export function parseHeaderLength(first8: Uint8Array, fileSize: number, file: string): number {
  if (fileSize < 8 || first8.length < 8) {
    throw new DiopterError(`${file}: ${fileSize} bytes is too short for a safetensors file, which starts with 8 bytes.`)
  }
  if (new TextDecoder().decode(first8.subarray(0, 8)) === 'version ') {
    throw new DiopterError(`${file} is a Git LFS pointer, not the weights. Run "git lfs pull" in that folder.`)
  }
  const length = Number(new DataView(first8.buffer, first8.byteOffset, 8).getBigUint64(0, true))
  if (length > maximumHeaderBytes) {
    throw new DiopterError(
      `${file}: the header claims ${length} bytes; the format allows ${maximumHeaderBytes}. Is it a safetensors file?`,
    )
  }
  if (8 + length > fileSize) {
    throw new DiopterError(
      `${file}: the header claims ${length} bytes but the file has ${fileSize} in all. Was its download cut?`,
    )
  }
  return length
}

/**
 * Checks and reads a safetensors header.
 * @param json the header's bytes, without the eight length bytes.
 * @param fileSize bytes of the whole file.
 * @param file the name to use in entries and errors.
 * @returns the tensors, with absolute byte offsets, and the metadata.
 * @throws DiopterError on invalid JSON, duplicate names, unknown dtypes, wrong sizes, and offsets that overlap, leave holes or leave the file.
 */
export function parseSafetensorsHeader(json: Uint8Array, fileSize: number, file: string): SafetensorsHeader {
  const text = decodeUtf8(json, file)
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new DiopterError(`${file}: the header is not valid JSON (${error instanceof Error ? error.message : error}).`)
  }
  if (!isRecord(parsed)) throw new DiopterError(`${file}: the header is not a JSON object.`)
  const duplicate = duplicateKey(text)
  if (duplicate !== undefined) throw new DiopterError(`${file}: the header names ${quote(duplicate)} twice.`)

  const dataBegin = 8 + json.length
  const metadata: Record<string, string> = {}
  const found: TensorEntry[] = []
  for (const [name, value] of Object.entries(parsed)) {
    if (name === '__metadata__') Object.assign(metadata, parseMetadata(value, file))
    else found.push(parseEntry(name, value, file, dataBegin, fileSize - dataBegin))
  }
  const entries = inFileOrder(found)
  checkCoverage(entries, file, dataBegin, fileSize)
  return { entries: new Map(entries.map((entry) => [entry.name, entry])), metadata }
}

function decodeUtf8(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new DiopterError(`${file}: the header is not valid UTF-8.`)
  }
}

function parseMetadata(value: unknown, file: string): Record<string, string> {
  if (!isRecord(value)) throw new DiopterError(`${file}: __metadata__ must be an object of strings.`)
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw new DiopterError(`${file}: __metadata__.${key} must be a string.`)
  }
  return value as Record<string, string>
}

function parseEntry(name: string, value: unknown, file: string, dataBegin: number, dataBytes: number): TensorEntry {
  const where = `${file}: tensor ${quote(name)}`
  if (!isRecord(value)) throw new DiopterError(`${where} is not described by an object.`)
  const { dtype, shape, data_offsets: offsets } = value
  if (typeof dtype !== 'string' || !Object.hasOwn(bytesPerElement, dtype)) {
    const known = Object.keys(bytesPerElement).join(', ')
    throw new DiopterError(`${where} has dtype ${quote(dtype)}; known dtypes are ${known}.`)
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    throw new DiopterError(`${where} has shape ${quote(shape)}; a shape is a list of whole numbers >= 0.`)
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw new DiopterError(`${where} has data_offsets ${quote(offsets)}; two whole numbers >= 0 are needed.`)
  }
  const [begin, end] = offsets as [number, number]
  if (begin > end || end > dataBytes) {
    throw new DiopterError(`${where} claims bytes ${begin} to ${end}, but the file has ${dataBytes} bytes of data.`)
  }
  const needed = elementCount(shape) * bytesPerElement[dtype as SafetensorsDtype]
  if (needed !== end - begin) {
    throw new DiopterError(
      `${where}: ${dtype} of shape [${shape}] needs ${needed} bytes, its offsets give ${end - begin}.`,
    )
  }
  return { name, dtype: dtype as SafetensorsDtype, shape, file, begin: dataBegin + begin, end: dataBegin + end }
}

function inFileOrder(entries: TensorEntry[]): TensorEntry[] {
  return entries.sort((a, b) => a.begin - b.begin || a.end - b.end)
}

/** The format demands that tensors cover the data exactly: bytes that nobody names could hide something. */
function checkCoverage(entries: readonly TensorEntry[], file: string, dataBegin: number, fileSize: number): void {
  let position = dataBegin
  let previous = 'the header'
  for (const { name, begin, end } of entries) {
    if (begin < position) throw new DiopterError(`${file}: tensor ${quote(name)} overlaps ${previous}.`)
    if (begin > position) {
      throw new DiopterError(`${file}: ${begin - position} bytes between ${previous} and ${quote(name)} are unused.`)
    }
    position = end
    previous = quote(name)
  }
  if (position !== fileSize) {
    throw new DiopterError(`${file}: ${fileSize - position} bytes after ${previous} belong to no tensor.`)
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** A hostile file may hold anything: what an error repeats of it is kept short. */
function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 100 ? `${text.slice(0, 100)}...` : text
}
