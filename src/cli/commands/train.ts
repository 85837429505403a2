import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Argument, Option } from 'commander'
import { packageVersion } from '../../hub/node/bundled.ts'
import type { FolderTrainingResult } from '../../train/node/train-in-folder.ts'
import type { TrainingRecord } from '../../train/node/training-record.ts'
import { defineCommand, type Session } from '../command.ts'
import { EXIT, UsageError } from '../errors.ts'
import { readJsonFile } from '../files.ts'
import { jsonOption, repeatable, threadsOption, wholeNumber } from '../flags.ts'
import { withSetting } from '../set-path.ts'
import { bold } from '../terminal.ts'
import { formatCount, formatDuration } from '../units.ts'

interface Flags {
  readonly out?: string
  readonly seed?: number
  readonly set?: readonly string[]
  readonly steps?: number
  readonly resume?: boolean
  readonly until?: number
  readonly threads?: number
  readonly backend?: TrainingRecord['provider']
  readonly json?: boolean
}

export const train = defineCommand<Flags>({
  name: 'train',
  summary: 'Train a small model on a task, resumably',
  arguments: [new Argument('[task]', 'the name of a task, or a config (JSON); a resumed run knows its own')],
  options: [
    new Option('--out <folder>', "the run's folder (default: .runs/<task>-<seed>)"),
    new Option('--seed <n>', 'seed of weights and data (default: 0)').argParser(wholeNumber(0)),
    repeatable('--set <path=value>', 'change the config, such as config.p=59 or optimiser.learningRate=0.01'),
    new Option('--steps <n>', 'steps to train').argParser(wholeNumber(1)),
    new Option('--resume', 'go on where a run stopped or was killed'),
    new Option('--until <step>', 'stop after this step; --resume goes on').argParser(wholeNumber(1)),
    threadsOption,
    new Option('--backend <backend>', 'where steps run (default: cpu)').choices(['cpu', 'webgpu', 'cuda']),
    jsonOption,
  ],
  details:
    "The folder gets training.json (the whole config), log.jsonl, checkpoints/, snapshots/ and, at the end, model/. Ctrl-C saves a checkpoint. A resumed run ends with the same bytes as one that was never stopped; for that it keeps the number of threads and the backend that it began with. What a config leaves out is the task's own setting.",
  examples: [
    'train modular-addition --set config.p=23 --steps 100 --seed 1',
    'train modular-addition --set config.p=23 --set optimiser.learningRate=0.01 --steps 50 --out grok',
    'train --out grok --resume',
  ],
  async run([given], flags, session) {
    const { trainInFolder } = await import('../../train/node/train-in-folder.ts')
    const { readTrainingRecord } = await import('../../train/node/training-record.ts')
    const asked = given === undefined ? undefined : await configOf(given, flags)
    const folder = flags.out ?? (asked && join('.runs', `${asked.config.task}-${asked.config.seed ?? 0}`))
    if (folder === undefined) throw new UsageError(await taskList())
    const recorded = given === undefined ? (await readTrainingRecord(folder))?.config : undefined
    const config = asked?.config ?? (recorded && changed(recorded, flags))
    if (config === undefined) throw new UsageError(await taskList())
    const result = await trainInFolder(folder, config, {
      resume: flags.resume ? 'yes' : 'no',
      until: flags.until,
      threads: flags.threads ?? asked?.threads,
      provider: flags.backend,
      notes: { command: commandLine(), version: packageVersion() },
      warn: session.note,
      signal: session.signal,
      onProgress: session.onProgress,
    })
    const log = await lastMeasures(folder)
    if (flags.json) session.print(`${JSON.stringify(asJson(folder, result, log))}\n`)
    else session.print(`${asText(folder, result, log, session).join('\n')}\n`)
    if (!result.complete)
      session.note(
        `Stopped after step ${result.state.step}; diopter train --out ${shellWord(folder)} --resume goes on.`,
      )
    return session.signal.aborted ? EXIT.interrupted : EXIT.ok
  },
})

type Config = Record<string, unknown>

/** The config that a task's name or a file asks for; the record of another run gives its threads, too. */
async function configOf(given: string, flags: Flags): Promise<{ config: Config; threads?: number | undefined }> {
  const { withTaskSettings } = await import('../../train/index.ts')
  if (!given.endsWith('.json')) return { config: changed(withTaskSettings({ task: given }), flags) }
  const value = (await readJsonFile(given)) as Config | null
  if (typeof value !== 'object' || value === null) throw new UsageError(`${given} holds no training config.`)
  if ('task' in value || typeof value.config !== 'object') return { config: changed(withTaskSettings(value), flags) }
  const { parseTrainingRecord } = await import('../../train/node/training-record.ts')
  const { config, threads } = parseTrainingRecord(JSON.stringify(value), given)
  return { config: changed(config, flags), threads }
}

function changed(config: Readonly<Config>, { seed, steps, set = [] }: Flags): Config {
  const named = { ...config, ...(seed === undefined ? {} : { seed }), ...(steps === undefined ? {} : { steps }) }
  return set.reduce<Config>(withSetting, named)
}

async function taskList(): Promise<string> {
  const { tasks } = await import('../../train/index.ts')
  const lines = tasks.map(({ name, description }) => `  ${name}: ${description}`)
  return `Say what to train: a task, a config (JSON), or --out FOLDER --resume for a run that exists. The tasks:\n${lines.join('\n')}`
}

/** What the user typed, as a shell would take it again. */
function commandLine(): string {
  return ['diopter', ...process.argv.slice(2).map(shellWord)].join(' ')
}

function shellWord(word: string): string {
  return /^[\w./=:@,+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}

/** The newest value of everything that was logged. */
async function lastMeasures(folder: string): Promise<Record<string, number | readonly number[]>> {
  const { parseLog } = await import('../../train/index.ts')
  const log = parseLog(await readFile(join(folder, 'log.jsonl'), 'utf8'))
  return Object.assign({}, ...log.map(({ values }) => values))
}

type Measures = Awaited<ReturnType<typeof lastMeasures>>

function asJson(
  folder: string,
  { state, complete, seconds, record, modelFolder }: FolderTrainingResult,
  last: Measures,
) {
  const { config, threads, provider } = record
  return {
    folder,
    task: config.task,
    seed: config.seed,
    step: state.step,
    complete,
    seconds,
    threads,
    provider,
    modelFolder,
    last,
  }
}

function asText(
  folder: string,
  { state, seconds, record, modelFolder }: FolderTrainingResult,
  last: Measures,
  { text }: Session,
): string[] {
  const { task, seed, steps } = record.config
  const scalars = Object.entries(last).flatMap(([name, value]) =>
    typeof value === 'number' ? [`  ${name} ${Number(value.toPrecision(4))}`] : [],
  )
  return [
    bold(
      `${task}, seed ${seed}: ${formatCount(state.step)} of ${formatCount(steps)} steps, ${formatDuration(seconds)}`,
      text,
    ),
    ...scalars,
    modelFolder ? `The model is in ${modelFolder}: diopter info ${shellWord(modelFolder)}` : `The run is in ${folder}`,
  ]
}
