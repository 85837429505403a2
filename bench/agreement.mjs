// Whether both sides of a training case do the same work: its first step, from the same weights on the same batch.
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
