import { createHash } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { appendFile, open, readdir, readFile, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { DiopterError } from '../../errors/index.ts'
import { readSafetensors } from '../../hub/safetensors-read.ts'
import { type TensorToWrite, writeSafetensors } from '../../hub/safetensors-write.ts'
import type { Parameter } from '../../optim/index.ts'
import { parseTrainingConfig } from '../config.ts'
import { logLine, parseLog } from '../log.ts'
import type { RunStore, TrainingCheckpoint } from '../run-store.ts'
import { makeFolder, writeAtomically, writeError } from './atomic-write.ts'

/** How many checkpoints stay: the newest, and the one before in case that is broken. */
const KEPT = 2

/**
 * A training run's folder: `log.jsonl`, `checkpoints/step-*.safetensors` (parameters, moments and, as metadata, the rest)
 * and `snapshots/step-*.safetensors`. Checkpoints appear whole or not at all, and carry a checksum. All bytes are functions
 * of the config, but for the `seconds` in a checkpoint's metadata. Throws when the folder cannot be made.
 */
export async function folderStore(folder: string, parameters: readonly Parameter[]): Promise<RunStore> {
  const [checkpoints, snapshots] = [join(folder, 'checkpoints'), join(folder, 'snapshots')]
  const log = join(folder, 'log.jsonl')
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
      const files = (await stepFiles(checkpoints)).toReversed()
      const broken: string[] = []
      for (const file of files) {
        try {
          const checkpoint = await readCheckpoint(checkpoints, file)
          for (const message of broken) warn(`${message} The checkpoint before it, ${file}, is used.`)
          return checkpoint
        } catch (error) {
          broken.push(error instanceof Error ? error.message : String(error))
        }
      }
      // to begin again would throw the log away: that is for its owner to decide
      if (broken.length > 0)
        throw new DiopterError(
          `No checkpoint in ${checkpoints} is whole: ${broken.join(' ')} Delete the folder to train from the start.`,
        )
      return undefined
    },

    async save({ state, config, logBytes, seconds }) {
      const tensors = new Map([...tensorsOf(state.parameters, 'parameter/'), ...tensorsOf(state.moments, 'moment/')])
      const metadata = {
        ...{ step: String(state.step), config: JSON.stringify(config), logBytes: String(logBytes) },
        ...{ seconds: String(seconds), sha256: checksum(tensors) },
      }
      await makeFolder(checkpoints)
      await flush(log)
      await writeAtomically(join(checkpoints, stepFile(state.step)), writeSafetensors(tensors, metadata))
      for (const file of (await stepFiles(checkpoints)).slice(0, -KEPT)) await rm(join(checkpoints, file))
    },

    async log(entry) {
      const line = logLine(entry)
      try {
        // a few microseconds: an asynchronous write takes longer than the step of a tiny model
        appendFileSync(log, line)
      } catch (error) {
        throw writeError(log, error)
      }
      logLength += Buffer.byteLength(line)
      return logLength
    },

    async truncateLog(bytes) {
      try {
        await appendFile(log, '')
        if (!(await endsLine(log, bytes)))
          throw new DiopterError(
            `${log} is not the log that the checkpoint was made with: no line of it ends after ${bytes} bytes. Put it back, or train in another folder.`,
          )
        await truncate(log, bytes)
      } catch (error) {
        throw error instanceof DiopterError ? error : writeError(log, error)
      }
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
  return (await stepFiles(join(folder, 'snapshots'))).map(stepOf)
}

/** The steps of a run folder's checkpoints, ascending. */
export async function checkpointSteps(folder: string): Promise<number[]> {
  return (await stepFiles(join(folder, 'checkpoints'))).map(stepOf)
}

/** The parameters of one snapshot of a run folder. @throws DiopterError when there is none of that step, or it is broken. */
export async function readSnapshot(folder: string, step: number): Promise<Map<string, Float32Array>> {
  const path = join(folder, 'snapshots', stepFile(step))
  const { tensors } = readSafetensors(await readBytes(path), path)
  return new Map([...tensors].map(([name, { data }]) => [name, data as Float32Array]))
}

const stepFile = (step: number) => `step-${String(step).padStart(10, '0')}.safetensors`
const stepOf = (file: string) => Number(file.match(/\d+/)![0])

/** The files of a folder that are named by step, ascending. */
async function stepFiles(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => /^step-\d{10}\.safetensors$/.test(name)).sort()
  } catch {
    return []
  }
}

async function readCheckpoint(folder: string, file: string): Promise<TrainingCheckpoint> {
  const path = join(folder, file)
  const { tensors, metadata } = readSafetensors(await readBytes(path), path)
  if (metadata.sha256 !== checksum(tensors) || stepFile(Number(metadata.step)) !== file)
    throw new DiopterError(`${path} is damaged: its checksum is another.`)
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

/** Whether a line of a file ends after so many bytes; so does an empty beginning. */
async function endsLine(path: string, bytes: number): Promise<boolean> {
  if (bytes === 0) return true
  const file = await open(path, 'r')
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(1), 0, 1, bytes - 1)
    return bytesRead === 1 && buffer.toString() === '\n'
  } finally {
    await file.close()
  }
}

/** The log's bytes reach the disk before a checkpoint that counts on them. */
async function flush(path: string): Promise<void> {
  const file = await open(path, 'a')
  try {
    await file.sync()
  } catch (error) {
    throw writeError(path, error)
  } finally {
    await file.close()
  }
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new DiopterError(`${path} could not be read: ${error instanceof Error ? error.message : error}.`)
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
