import { createHash } from 'node:crypto'
import { appendFile, mkdir, readdir, readFile, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { DiopterError } from '../../errors/index.ts'
import { readSafetensors } from '../../hub/safetensors-read.ts'
import { type TensorToWrite, writeSafetensors } from '../../hub/safetensors-write.ts'
import type { Parameter } from '../../optim/index.ts'
import { parseTrainingConfig } from '../config.ts'
import { logLine, parseLog } from '../log.ts'
import type { RunStore, TrainingCheckpoint } from '../run-store.ts'
import { writeAtomically, writeError } from './atomic-write.ts'

/** How many checkpoints stay: the newest, and the one before in case that is broken. */
const KEPT = 2
const LOG = 'log.jsonl'

/**
 * A training run's folder: `log.jsonl`, `checkpoints/step-*.safetensors` (parameters, moments and, as metadata, the rest)
 * and `snapshots/step-*.safetensors`. Checkpoints appear whole or not at all, and carry a checksum.
 * Throws when the folder cannot be made.
 */
export async function folderStore(folder: string, parameters: readonly Parameter[]): Promise<RunStore> {
  const [checkpoints, snapshots, log] = [join(folder, 'checkpoints'), join(folder, 'snapshots'), join(folder, LOG)]
  await makeFolder(checkpoints)
  let logLength = 0
  const shapes = new Map(parameters.map(({ name, shape }) => [name, shape]))
  const tensorsOf = (values: ReadonlyMap<string, Float32Array>, prefix: string) =>
    [...values].map(([name, data]): [string, TensorToWrite] => {
      // moments are named <moment>/<parameter>
      const shape = shapes.get(name) ?? shapes.get(name.slice(name.indexOf('/') + 1))
      if (!shape) throw new DiopterError(`The state holds ${name}, which is no parameter of this problem.`)
      return [prefix + name, { dtype: 'F32', shape, data }]
    })
  return {
    async latest(warn) {
      for (const file of (await stepFiles(checkpoints)).toReversed()) {
        try {
          return await readCheckpoint(join(checkpoints, file))
        } catch (error) {
          warn(`${error instanceof Error ? error.message : error} The checkpoint before it is used, if there is one.`)
        }
      }
      return undefined
    },

    async save({ state, config, logBytes, seconds }) {
      const tensors = new Map([...tensorsOf(state.parameters, 'parameter/'), ...tensorsOf(state.moments, 'moment/')])
      const metadata = {
        ...{ step: String(state.step), config: JSON.stringify(config), logBytes: String(logBytes) },
        ...{ seconds: String(seconds), sha256: checksum(tensors) },
      }
      await makeFolder(checkpoints)
      await writeAtomically(join(checkpoints, stepFile(state.step)), writeSafetensors(tensors, metadata))
      for (const file of (await stepFiles(checkpoints)).slice(0, -KEPT)) await rm(join(checkpoints, file))
    },

    async log(entry) {
      const line = logLine(entry)
      try {
        await appendFile(log, line)
      } catch (error) {
        throw writeError(log, error)
      }
      logLength += line.length
      return logLength
    },

    async truncateLog(bytes) {
      await appendFile(log, '')
      await truncate(log, bytes)
      logLength = bytes
    },

    readLog: async () => parseLog(await readFile(log, 'utf8')),

    async snapshot(step, values) {
      await makeFolder(snapshots)
      await writeAtomically(join(snapshots, stepFile(step)), writeSafetensors(new Map(tensorsOf(values, ''))))
    },
  }
}

/** The steps of a run folder's snapshots, ascending. */
export async function snapshotSteps(folder: string): Promise<number[]> {
  return (await stepFiles(join(folder, 'snapshots'))).map((file) => Number(file.match(/\d+/)![0]))
}

/** The parameters of one snapshot of a run folder. @throws DiopterError when there is none of that step, or it is broken. */
export async function readSnapshot(folder: string, step: number): Promise<Map<string, Float32Array>> {
  const path = join(folder, 'snapshots', stepFile(step))
  const { tensors } = readSafetensors(await readBytes(path), path)
  return new Map([...tensors].map(([name, { data }]) => [name, data as Float32Array]))
}

const stepFile = (step: number) => `step-${String(step).padStart(10, '0')}.safetensors`

/** The files of a folder that are named by step, ascending. */
async function stepFiles(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => /^step-\d{10}\.safetensors$/.test(name)).sort()
  } catch {
    return []
  }
}

async function readCheckpoint(path: string): Promise<TrainingCheckpoint> {
  const { tensors, metadata } = readSafetensors(await readBytes(path), path)
  if (metadata.sha256 !== checksum(tensors)) throw new DiopterError(`${path} is damaged: its checksum is another.`)
  const part = (prefix: string) =>
    new Map(
      [...tensors].flatMap(([name, { data }]) =>
        name.startsWith(prefix) ? [[name.slice(prefix.length), data as Float32Array] as const] : [],
      ),
    )
  return {
    state: { step: Number(metadata.step), parameters: part('parameter/'), moments: part('moment/') },
    config: parseTrainingConfig(JSON.parse(metadata.config ?? '')),
    logBytes: Number(metadata.logBytes),
    seconds: Number(metadata.seconds),
  }
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new DiopterError(`${path} could not be read: ${error instanceof Error ? error.message : error}.`)
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true })
  } catch (error) {
    throw writeError(path, error)
  }
}

/** Over names and data in order. */
function checksum(tensors: ReadonlyMap<string, TensorToWrite>): string {
  const hash = createHash('sha256')
  for (const [name, { data }] of tensors) {
    hash.update(name)
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  }
  return hash.digest('hex')
}
