// Packs a finished run (a folder of `diopter train`) into checkpoints/<id>/: weights, config, training.json, a thinned log and
// a card that `diopter models` shows.
//
//   node scripts/ship-checkpoint.mjs RUN ID --title "..." --good-for "..." [--figure test/loss]... [--figure "name=0.93"]...
//        [--float16] [--to checkpoints]
//
// A figure is the last value of that name in the run's log, or a number that was measured elsewhere.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const LOG_BYTES = 200_000
const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')

/** The header and the data of a safetensors file. */
export function splitSafetensors(bytes) {
  const length = Number(bytes.readBigUInt64LE(0))
  const { __metadata__: metadata, ...tensors } = JSON.parse(bytes.subarray(8, 8 + length).toString())
  return { metadata, tensors, data: bytes.subarray(8 + length) }
}

/** A safetensors file of `[name, dtype, shape, bytes]`. */
export function joinSafetensors(list, metadata) {
  let offset = 0
  const header = { __metadata__: metadata }
  for (const [name, dtype, shape, bytes] of list) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.length] }
    offset += bytes.length
  }
  const json = Buffer.from(JSON.stringify(header))
  const head = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ')
  head.writeBigUInt64LE(BigInt(head.length - 8), 0)
  json.copy(head, 8)
  return Buffer.concat([head, ...list.map(([, , , bytes]) => bytes)])
}

/** float32 bytes as the nearest float16 ones, ties to even. Throws for numbers beyond float16's largest. */
export function toFloat16(bytes) {
  const numbers = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
  return Buffer.from(Uint16Array.from(numbers, halfBits).buffer)
}

function halfBits(value) {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const size = Math.abs(value)
  if (!(size < 65520)) throw new Error(`${value} does not fit float16; ship this checkpoint as float32.`)
  if (size < 2 ** -24 / 2) return sign
  const exponent = Math.max(-14, Math.floor(Math.log2(size)))
  // a normal number has 10 bits behind its first one; below 2^-14 they are steps of 2^-24
  const steps = size / 2 ** (exponent - 10)
  const below = Math.floor(steps)
  const rest = steps - below
  const rounded = below + (rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? 1 : 0)
  // a carry into the next exponent is what adding the steps to the bits does
  return sign + (exponent === -14 ? rounded : ((exponent + 15) << 10) + rounded - 1024)
}

/**
 * A log (JSON lines) of at most so many bytes: of each kind of line (loss, evaluation ..) the first and last, and between
 * them lines evenly in the logarithm of the step.
 */
export function thinLog(text, bytes) {
  if (Buffer.byteLength(text) <= bytes) return text
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => ({ line, entry: JSON.parse(line) }))
  const kinds = groupBy(lines, kindOf)
  for (let bins = 2 ** 14; bins >= 1; bins /= 2) {
    const kept = new Set([...kinds.values()].flatMap((list) => thin(list, bins)))
    const thinned = lines
      .filter((one) => kept.has(one))
      .map(({ line }) => `${line}\n`)
      .join('')
    if (Buffer.byteLength(thinned) <= bytes || bins === 1) return thinned
  }
}

const kindOf = ({ entry }) => Object.keys(entry).join()

function thin(list, bins) {
  const last = Math.log1p(list.at(-1).entry.step)
  const seen = new Set()
  return list.filter((one, i) => {
    const bin = Math.floor((bins * Math.log1p(one.entry.step)) / (last || 1))
    const isNew = !seen.has(bin)
    seen.add(bin)
    return isNew || i === list.length - 1
  })
}

function groupBy(list, key) {
  const groups = new Map()
  for (const one of list) groups.set(key(one), [...(groups.get(key(one)) ?? []), one])
  return groups
}

/** `[file, bytes, parameters]` of what was trained: the model, or the parameters of the last checkpoint where it is none. */
function weights(run, float16) {
  const model = join(run, 'model', 'model.safetensors')
  const isModel = existsSync(model)
  const checkpoints = join(run, 'checkpoints')
  const source = isModel
    ? model
    : join(
        checkpoints,
        readdirSync(checkpoints)
          .filter((name) => name.endsWith('.safetensors'))
          .sort()
          .at(-1),
      )
  const { tensors, data } = splitSafetensors(readFileSync(source))
  const prefix = isModel ? '' : 'parameter/'
  const list = Object.entries(tensors).flatMap(
    ([
      name,
      {
        dtype,
        shape,
        data_offsets: [begin, end],
      },
    ]) => {
      if (!name.startsWith(prefix)) return []
      const bytes = data.subarray(begin, end)
      return [[name.slice(prefix.length), float16 ? 'F16' : dtype, shape, float16 ? toFloat16(bytes) : bytes]]
    },
  )
  const parameters = list.reduce((sum, [, , shape]) => sum + shape.reduce((a, b) => a * b, 1), 0)
  return {
    file: isModel ? 'model.safetensors' : 'parameters.safetensors',
    bytes: joinSafetensors(list, { format: 'pt' }),
    parameters,
  }
}

/** The figures that were asked for, by name. */
export function figures(asked, log) {
  const last = Object.assign(
    {},
    ...log
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  )
  return Object.fromEntries(
    asked.map((figure) => {
      const at = figure.indexOf('=')
      const name = at < 0 ? figure : figure.slice(0, at)
      const value = at < 0 ? last[name] : Number(figure.slice(at + 1))
      if (typeof value !== 'number' || !Number.isFinite(value))
        throw new Error(`The figure ${name} is no number; the log ends with: ${Object.keys(last).join(', ')}.`)
      return [name, value]
    }),
  )
}

export function ship(run, id, { title, goodFor, figure = [], float16 = false, to = join(root, 'checkpoints') }) {
  const record = JSON.parse(readFileSync(join(run, 'training.json'), 'utf8'))
  const log = readFileSync(join(run, 'log.jsonl'), 'utf8')
  const { step } = JSON.parse(log.trimEnd().split('\n').at(-1))
  if (step !== record.config.steps)
    throw new Error(`${run} is at step ${step} of ${record.config.steps}: finish it before it ships.`)
  const heldOut = figures(figure, log)
  const { file, bytes, parameters } = weights(run, float16)
  const folder = join(to, id)
  mkdirSync(folder, { recursive: true })
  for (const old of ['model.safetensors', 'parameters.safetensors']) rmSync(join(folder, old), { force: true })
  const model = join(run, 'model')
  for (const name of existsSync(model) ? readdirSync(model) : [])
    if (name !== 'model.safetensors') cpSync(join(model, name), join(folder, name))
  writeFileSync(join(folder, file), bytes)
  cpSync(join(run, 'training.json'), join(folder, 'training.json'))
  writeFileSync(join(folder, 'log.jsonl'), thinLog(log, LOG_BYTES))
  const trainedBy = `diopter train checkpoints/${id}/training.json`
  const card = { id, title, goodFor, parameters, trainedBy, seed: record.config.seed, heldOut }
  writeFileSync(join(folder, 'card.json'), `${JSON.stringify(card, null, 2)}\n`)
  return { folder, ...card }
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      title: { type: 'string' },
      'good-for': { type: 'string' },
      figure: { type: 'string', multiple: true },
      float16: { type: 'boolean' },
      to: { type: 'string' },
    },
  })
  const [run, id] = positionals
  const { title, 'good-for': goodFor, ...rest } = values
  if (!run || !id || !title || !goodFor)
    throw new Error(
      'usage: node scripts/ship-checkpoint.mjs RUN ID --title "..." --good-for "..." [--figure NAME]... [--float16]',
    )
  console.log(JSON.stringify(ship(run, id, { title, goodFor, ...rest }), null, 2))
}
