import * as v from 'valibot'
import { compileModel } from '../../models/compiled/index.ts'
import { permutation, randomSource } from '../../random/index.ts'
import { methodOf } from '../../runs/index.ts'
import { validate } from '../../runs/validate.ts'
import type { ArmContext, Experiment, Measures } from '../experiment.ts'
import { openFolderModel } from '../folder-model.ts'
import { figures } from './figures.ts'
import { corners, matchEffects, rocCurve, score } from './scoring.ts'
import { drawTrials, type Trial, trialsOn, type WatchedMethod } from './trials.ts'

/** What an arm of an edge case measures. */
const armSchema = v.variant('measure', [
  /** Trials over families; `shuffled`: verdicts dealt out anew, the control. */
  v.strictObject({
    measure: v.literal('trials'),
    families: v.array(v.string()),
    count: v.number(),
    shuffled: v.optional(v.boolean(), false),
  }),
  /** One counterexample, and its neighbour without the mechanism. */
  v.strictObject({ measure: v.literal('example'), family: v.string() }),
  /** The checks on trained models: folders with what the method is asked there. */
  v.strictObject({
    measure: v.literal('trained'),
    runs: v.array(
      v.strictObject({
        model: v.string(),
        prompts: v.optional(v.array(v.unknown()), []),
        parameters: v.optional(v.record(v.string(), v.unknown()), {}),
        /** A file with a hypothesis and its questions, in place of prompts. */
        hypothesis: v.optional(v.string()),
      }),
    ),
  }),
])

/**
 * An experiment about where a method breaks: over families of compiled models, whether its checks fail where its answer differs
 * from the exact truth, and only there. Arms say what is measured: see `armSchema`.
 */
export function edgeExperiment(name: string, watched: WatchedMethod): Experiment {
  return {
    name,
    async measure(context) {
      const arm = validate(armSchema, context.parameters, `The parameters of ${name}, arm ${context.arm},`)
      if (arm.measure === 'trials') return measureTrials(watched, arm, context)
      return arm.measure === 'example'
        ? measureExample(watched, arm.family, context)
        : measureTrained(watched, arm.runs, context)
    },
    figures,
  }
}

/** Seeds of different repetitions must not meet. */
const SEEDS_APART = 1_000_000

async function measureTrials(
  watched: WatchedMethod,
  { families, count, shuffled }: { families: readonly string[]; count: number; shuffled: boolean },
  { engine, seed, signal, onProgress }: ArmContext,
): Promise<Measures> {
  const firstSeed = (seed + 1) * SEEDS_APART
  const drawn = await drawTrials(watched, { families, count, firstSeed }, engine.backend, { signal, onProgress })
  const trials = shuffled ? withVerdictsOfOthers(drawn, seed) : drawn
  const roc = corners(rocCurve(matchEffects(trials)))
  const ofAll = score(trials)
  const byFamily = families.map((family) => ({ family, ...score(trials.filter((trial) => trial.family === family)) }))
  return {
    scalars: ofAll,
    curves: { roc: { x: roc.map(({ falseAlarms }) => falseAlarms), y: roc.map(({ detection }) => detection) } },
    tables: { trials },
    findings: [...byFamily, ...(families.length > 1 ? [{ family: 'all', ...ofAll }] : [])],
  }
}

function withVerdictsOfOthers(trials: readonly Trial[], seed: number): Trial[] {
  const order = permutation(trials.length, randomSource(seed, 'shuffled verdicts'))
  return trials.map((trial, i) => {
    const { isFired, suspicion } = trials[order[i]!]!
    return { ...trial, isFired, suspicion }
  })
}

async function measureExample(
  watched: WatchedMethod,
  family: string,
  { engine, seed, signal }: ArmContext,
): Promise<Measures> {
  const [misleading, neighbour] = await Promise.all(
    [1, 0].map((mislead) => trialsOn(watched, compileModel(family, { seed, mislead }), engine.backend, signal)),
  )
  const someTrial = (trials: readonly Trial[], is: (trial: Trial) => boolean) => Number(trials.some(is))
  return {
    scalars: {
      wrong: someTrial(misleading!, ({ isBreakage }) => isBreakage),
      fired: someTrial(misleading!, ({ isBreakage, isFired }) => isBreakage && isFired),
      neighbourWrong: someTrial(neighbour!, ({ isBreakage }) => isBreakage),
      neighbourFired: someTrial(neighbour!, ({ isFired }) => isFired),
    },
    curves: {},
    tables: {},
  }
}

async function measureTrained(
  { method, checks }: WatchedMethod,
  runs: readonly {
    readonly model: string
    readonly prompts: readonly unknown[]
    readonly parameters: Readonly<Record<string, unknown>>
    readonly hypothesis?: string | undefined
  }[],
  { engine, seed, resources, signal }: ArmContext,
): Promise<Measures> {
  const said: { model: string; asked: string; check: string; verdict: string; measured: number | string }[] = []
  for (const { model: folder, hypothesis: file, ...own } of runs) {
    const model = await openFolderModel(folder, resources, engine)
    if (!model) {
      const measured = 'this folder has no model.safetensors'
      said.push({ model: folder, asked: '', check: 'all', verdict: 'absent', measured })
      continue
    }
    try {
      const { prompts, parameters } = file === undefined ? own : await hypothesisIn(file, own, resources)
      const result = await methodOf(method).run(model, prompts, parameters, { edits: [], seed, signal })
      for (const { name, verdict, measured } of result.checks)
        if (checks.includes(name))
          said.push({ model: folder, asked: shortly(prompts), check: name, verdict, measured: measured ?? '' })
    } finally {
      await model.dispose()
    }
  }
  const tested = said.filter(({ verdict }) => verdict === 'holds' || verdict === 'fails')
  return {
    scalars: {
      modelsAbsent: said.filter(({ verdict }) => verdict === 'absent').length,
      checksTested: tested.length,
      firingRate: tested.filter(({ verdict }) => verdict === 'fails').length / tested.length,
    },
    curves: {},
    tables: {},
    findings: said,
  }
}

/** The first prompt's text, where it is one, and how many there are. */
function shortly(prompts: readonly unknown[]): string {
  const question = prompts[0] as string | { prompt?: unknown; clean?: unknown } | undefined
  const text = typeof question === 'object' ? (question.prompt ?? question.clean) : question
  if (text === undefined) return ''
  const shown = Array.isArray(text) ? `${text.length} tokens` : String(text)
  return prompts.length === 1 ? shown : `${shown} (and ${prompts.length - 1} more)`
}

/** The questions of a hypothesis' file as prompts, and the hypothesis beside the other parameters. */
async function hypothesisIn(
  file: string,
  { parameters }: { readonly parameters: Readonly<Record<string, unknown>> },
  resources: ArmContext['resources'],
) {
  const { questions, ...hypothesis } = JSON.parse(new TextDecoder().decode(await resources.readFile(file)))
  return { prompts: questions as readonly unknown[], parameters: { ...parameters, hypothesis } }
}
