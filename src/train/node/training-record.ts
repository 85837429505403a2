import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from 'valibot'
import { DiopterError } from '../../errors/index.ts'
import { parseTrainingConfig, parseWith, type TrainingConfig } from '../config.ts'
import { writeAtomically } from './atomic-write.ts'

/** What a run's `training.json` says: all that its numbers depend on, and whatever else its maker noted. */
export interface TrainingRecord {
  readonly config: TrainingConfig
  /** Sums are split over threads, so gradients differ in their last bits between numbers of threads. */
  readonly threads: number
  readonly provider: 'cpu' | 'webgpu' | 'cuda'
  readonly [note: string]: unknown
}

const schema = v.looseObject({
  config: v.unknown(),
  threads: v.pipe(v.number(), v.integer(), v.minValue(1)),
  provider: v.picklist(['cpu', 'webgpu', 'cuda']),
})

const fileOf = (folder: string) => join(folder, 'training.json')

/** The record of a run's folder; undefined when there is none. @throws DiopterError when it is damaged. */
export async function readTrainingRecord(folder: string): Promise<TrainingRecord | undefined> {
  const path = fileOf(folder)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return
    throw new DiopterError(`${path} could not be read: ${error instanceof Error ? error.message : error}.`)
  }
  return parseTrainingRecord(text, path)
}

/** Reads the text of a `training.json`; `path` is for messages. Throws when it is damaged. */
export function parseTrainingRecord(text: string, path: string): TrainingRecord {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new DiopterError(`${path} is not JSON (${(error as Error).message}): it does not describe a run.`)
  }
  const record = parseWith(schema, value, `run's record ${path}`)
  return { ...record, config: parseTrainingConfig(record.config) }
}

/** Writes a folder's record. */
export async function writeTrainingRecord(folder: string, record: TrainingRecord): Promise<void> {
  await writeAtomically(fileOf(folder), `${JSON.stringify(record, null, 2)}\n`)
}
