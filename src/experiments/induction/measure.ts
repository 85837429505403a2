import * as v from 'valibot'
import { DiopterError } from '../../errors/index.ts'
import type { Model } from '../../lab/index.ts'
import { randomSource } from '../../random/index.ts'
import { type Curve, curveOf } from '../../train/index.ts'
import { type InductionConfig, induction, inductionText } from '../../train/tasks/induction.ts'
import type { ArmContext, Measures, TrainedRun } from '../experiment.ts'
import { detectPhaseChanges, type PhaseChanges } from '../phase-change.ts'
import { openTrainedModel } from '../trained-model.ts'
import { type AblationShares, ablationShares, type Texts } from './ablation.ts'
import { type Circuit, type CircuitMeasures, circuitScalars, type Head, measureCircuit } from './circuit.ts'
import { longerMatches } from './longer-matches.ts'
import { circuitOverTraining } from './over-snapshots.ts'
import { type Formation, formationOf, type HeadCurves, headCurves, largestOf, nearest } from './over-training.ts'
import { ablationScalars, changeScalars, trainingScalars } from './scalars.ts'

/** A head that attends by prefix matching, or to the previous token, to this degree is named after it. */
const NAMED = 0.3

/** Curves simulated for each p-value of a phase change. */
const NULLS = 200

/** The formation of heads in a run that ends without induction heads. */
const NOTHING_FORMED: Formation = { start: Number.NaN, end: Number.NaN, inContextHalf: Number.NaN }

/** The tables of one run's measures. */
export interface InductionTables {
  readonly config: InductionConfig
  readonly heads: readonly HeadCurves[]
  readonly circuit: Circuit
  readonly measured: CircuitMeasures
  readonly formation: Formation
  /** Held-out loss by stretch of the context: at the beginning, in the middle and at the end of the formation, and at last. */
  readonly byPosition: readonly { readonly step: number; readonly losses: readonly number[] }[]
  readonly changes: Readonly<Record<string, PhaseChanges>>
  /** Null where there are no induction heads to ablate. */
  readonly ablation: AblationShares | null
}

const parametersSchema = v.strictObject({
  /** Held-out sequences on which ablations are measured. */
  sequences: v.number(),
  /** Random sets of other heads. */
  otherSets: v.number(),
})

/** Measures one trained model and its log. Throws for runs of other tasks. */
export async function measureInduction(context: ArmContext): Promise<Measures> {
  const { engine, seed, signal } = context
  const run = context.run!
  const config = inductionConfig(run)
  const parameters = v.parse(parametersSchema, context.parameters)
  const logged = (name: string) => curveOf(run.log, name)
  const heads = headCurves(run.log, config.n_layers, config.n_heads)
  const bestPrefix = largestOf(heads.map(({ prefixMatching }) => prefixMatching))
  const bestPreviousToken = largestOf(heads.map(({ previousToken }) => previousToken))
  const curves = {
    trainLoss: logged('loss'),
    textLoss: logged('text/loss'),
    inContext: logged('text/inContext'),
    firstCopy: logged('repeats/first'),
    secondCopy: logged('repeats/second'),
    secondCopyAccuracy: logged('repeats/accuracy'),
    ...{ bestPrefix, bestPreviousToken },
  }
  const induction = inductionHeadsOf(heads)
  const formation = induction.length === 0 ? NOTHING_FORMED : formationOf(bestPrefix, curves.inContext)
  const texts = textsOf(config, seed, parameters.sequences)

  const model = await openTrainedModel(run.problem, run.parameters, engine)
  try {
    const measured = await measureCircuit(model, config.vocabulary, { seed, signal })
    const circuit = await circuitOf(model, heads, induction, texts)
    const ablation =
      induction.length === 0
        ? null
        : await ablationShares(model, circuit, texts, { otherSets: parameters.otherSets, seed, signal })
    const [strongest] = measured.composition.K
    const overTraining =
      strongest && induction.length > 0
        ? await circuitOverTraining(run, circuit, { pair: strongest, vocabulary: config.vocabulary, texts }, context)
        : {}
    const tables: InductionTables = {
      ...{ config, heads, circuit, measured, formation, ablation },
      changes: changesOf(curves, seed),
      byPosition: lossesByPosition(run, formation),
    }
    return {
      scalars: {
        ...trainingScalars(curves, formation, run.config.steps),
        ...circuitScalars(measured, circuit),
        ...ablationScalars(tables),
        ...changeScalars(tables.changes),
      },
      curves: Object.fromEntries(
        Object.entries({ ...curves, ...overTraining }).map(([name, { steps, values }]) => [
          name,
          { x: steps, y: values },
        ]),
      ),
      tables: { induction: tables },
    }
  } finally {
    await model.dispose()
  }
}

function inductionConfig({ config }: TrainedRun): InductionConfig {
  if (config.task !== induction.name)
    throw new DiopterError(`Induction is measured on runs of ${induction.name}; this one trained ${config.task}.`)
  return v.parse(induction.schema, config.config)
}

const last = ({ values }: Curve) => values.at(-1)!
const place = ({ layer, head }: Head): Head => ({ layer, head })

/** The heads that match prefixes at the end. */
function inductionHeadsOf(heads: readonly HeadCurves[]): Head[] {
  return heads.filter(({ prefixMatching }) => last(prefixMatching) >= NAMED).map(place)
}

/** Induction heads, and the heads of earlier layers that look one and two tokens back for them. */
async function circuitOf(
  model: Model,
  heads: readonly HeadCurves[],
  induction: readonly Head[],
  { reference }: Texts,
): Promise<Circuit> {
  if (induction.length === 0) return { induction, previousToken: [], twoBack: [] }
  const lastLayer = Math.max(...induction.map(({ layer }) => layer))
  const { twoBack } = await longerMatches(model, induction, reference)
  return {
    induction,
    previousToken: heads
      .filter(({ layer, previousToken }) => layer < lastLayer && last(previousToken) >= NAMED)
      .map(place),
    twoBack: twoBack.filter(({ score }) => score >= NAMED).map(place),
  }
}

/** Sequences that training never drew. */
function textsOf(config: InductionConfig, seed: number, sequences: number): Texts {
  const draw = inductionText(config, seed)
  const prompts = (use: string, number: number) =>
    Array.from({ length: number }, (_, i) => [...draw(randomSource(seed, use, i)).subarray(0, config.n_ctx)])
  return { prompts: prompts('measure', sequences), reference: prompts('reference', 16) }
}

function changesOf(curves: Readonly<Record<string, Curve>>, seed: number): Record<string, PhaseChanges> {
  const names = ['bestPrefix', 'inContext', 'secondCopy', 'textLoss'] as const
  return Object.fromEntries(
    names.map((name) => [name, detectPhaseChanges(curves[name]!, { scale: 'log', seed, nulls: NULLS })]),
  )
}

function lossesByPosition({ log, config }: TrainedRun, { start, end }: Formation): InductionTables['byPosition'] {
  const wanted = Number.isNaN(start + end) ? [config.steps] : [start, (start + end) / 2, end, config.steps]
  return wanted.flatMap((step) => {
    const entry = nearest(log, 'text/byPosition', step)
    return entry ? [{ step: entry.step, losses: entry.values['text/byPosition'] as readonly number[] }] : []
  })
}
