// Whether both sides of a case do the same work: a training's first step, from the same weights on the same batch, or the
// numbers that a sweep returns.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openTraining } from './trainings.mjs'

/** The arrays of a safetensors file by name: float32 and int64. */
function readTensors(path) {
  const bytes = readFileSync(path)
  const start = 8 + Number(bytes.readBigUInt64LE(0))
  const array = ({ dtype, data_offsets: [from, to] }) => {
    // a copy, because typed arrays begin at multiples of their elements
    const { buffer } = Uint8Array.from(bytes.subarray(start + from, start + to))
    return dtype === 'I64' ? new BigInt64Array(buffer) : new Float32Array(buffer)
  }
  const header = JSON.parse(bytes.toString('utf8', 8, start))
  return new Map(Object.entries(header).map(([name, entry]) => [name, array(entry)]))
}

/** The part of `tensors` whose names begin with `prefix`, without it. */
const under = (tensors, prefix) =>
  new Map(
    [...tensors].flatMap(([name, array]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), array]] : [])),
  )

/**
 * The largest difference of any parameter after the first step, and of the loss. Both use an epsilon of 1e-3, so that
 * a gradient's last bits do not decide a whole step.
 */
export async function compareFirstStep(peer, { training, peers }) {
  const folder = mkdtempSync(join(tmpdir(), 'diopter-bench-'))
  const file = join(folder, 'step.safetensors')
  const { loss } = peer.once(['--one-step', peers[0].case, file])
  const tensors = readTensors(file)
  rmSync(folder, { recursive: true })
  const opened = await openTraining(training, {
    parameters: under(tensors, 'before/'),
    batch: Object.fromEntries(under(tensors, 'batch/')),
    optimiser: { epsilon: 1e-3 },
  })
  const measured = await opened.run()
  const expected = under(tensors, 'after/')
  let parameters = 0
  for (const [name, values] of opened.parameters) {
    const theirs = expected.get(name)
    values.forEach((value, i) => {
      parameters = Math.max(parameters, Math.abs(value - theirs[i]))
    })
  }
  await opened.close()
  return { parameters, loss: Math.abs(measured.loss - loss) }
}

/** Differences up to this part of the largest number count as rounding: effects are small differences of float32 metrics. */
const ROUNDING = 1e-3

/**
 * Compares the numbers that a row's case returns with `ours`, wherever both computed some.
 * `error` is the largest difference over the largest number of the peer.
 */
export async function compareNumbers(peer, { setting, case: peerCase, form, options }, ours) {
  const { values } = await peer.time(setting, peerCase, { ...options, form, values: true })
  const isThere = (x) => x !== null && x !== undefined && !Number.isNaN(x)
  // What is sampled comes first, or as null in a list of full length.
  const places = values.flatMap((value, i) => (isThere(value) ? [i] : []))
  const missing = places.filter((i) => !isThere(ours[i])).length
  const largest = Math.max(...places.map((i) => Math.abs(values[i])))
  const error = Math.max(...places.map((i) => Math.abs(values[i] - ours[i]))) / largest
  const agrees = places.length > 0 && missing === 0 && error <= ROUNDING
  const sentence = `${places.length} numbers to ${error.toExponential(1)} of the largest, ${largest.toPrecision(3)}${missing > 0 ? `; ${missing} that we did not compute` : ''}`
  return { agrees, sentence, numbers: places.length, missing, largest, error }
}
