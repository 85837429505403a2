import * as v from 'valibot'
import { randomSource } from '../../random/index.ts'
import { validate } from '../../runs/validate.ts'
import { curveOf, type LogEntry } from '../../train/index.ts'
import { questionCategories } from '../../train/tasks/addition/categories.ts'
import type { AdditionFormat } from '../../train/tasks/addition/format.ts'
import type { ArmContext, Measures } from '../experiment.ts'
import { detectPhaseChanges, type PhaseChange } from '../phase-change.ts'
import {
  ablateHeads,
  ablateSteps,
  type HeadAblation,
  meanActivations,
  type StepAblation,
  summariseSteps,
} from './ablation.ts'
import { type Accuracies, cascadeAccuracy, measureAccuracies, testQuestions, testQuestionsOf } from './accuracy.ts'
import { trainedAdder } from './adder.ts'
import {
  baseAddFirst,
  type DigitOrder,
  digitLossCurve,
  LOWEST_WITH_NINE,
  learningOrder,
  taskCurve,
} from './learning-order.ts'
import { type LayerAttention, matchStaircase, meanAttention, pairAttention, type Staircase } from './staircase.ts'

const count = v.pipe(v.number(), v.integer(), v.minValue(1))

const parametersSchema = v.strictObject({
  /** Random questions that accuracy is measured on. */
  random: count,
  /** Enumerated questions for each start and length of a cascade. */
  perCascade: count,
  /** Questions of each kind that ablations and attention are measured on. */
  ablated: count,
  /** Shuffles and simulated curves behind each p-value. */
  nulls: v.pipe(v.number(), v.integer(), v.minValue(200)),
})

/** What figures show beside scalars and curves. */
export interface AdditionTables {
  readonly format: AdditionFormat
  readonly accuracies: Accuracies
  readonly heads: readonly HeadAblation[]
  readonly steps: readonly StepAblation[]
  /** By layer. */
  readonly attention: readonly LayerAttention[]
  readonly order: readonly DigitOrder[]
  /** By digit, A_0 first. */
  readonly changes: readonly (readonly PhaseChange[])[]
}

/** Measures one trained adder: accuracy by kind of question, order of learning, ablations, attention, phase changes. */
export async function measureAddition(context: ArmContext): Promise<Measures> {
  const { run, engine, seed, signal, onProgress } = context
  const { random, perCascade, ablated, nulls } = validate(
    parametersSchema,
    context.parameters,
    'the parameters of the arm',
  )
  const adder = trainedAdder(run!, engine)
  const { digits } = adder.config
  const options = { signal, onProgress }

  const accuracies = await measureAccuracies(adder, { random, perCascade }, options)
  const references = testQuestions(digits, ablated, 'ablation')
  const means = await meanActivations(adder, references, options)
  const byCategory = new Map(
    questionCategories(digits).map((category) => [category, testQuestionsOf(digits, category, ablated)]),
  )
  const heads = await ablateHeads(adder, means, byCategory, options)
  const steps = await ablateSteps(adder, means, references, options)
  const attention = await meanAttention(adder, references, options)
  const staircases = attention.map((layer, l) =>
    matchStaircase(pairAttention(adder, layer), nulls, randomSource(seed, 'staircase', l)),
  )
  const order = learningOrder(run!.log, adder.config)
  const changes = Array.from({ length: digits + 1 }, (_, digit) => {
    const curve = digitLossCurve(run!.log, adder.config, digit)
    return detectPhaseChanges(curve, { scale: 'log', values: 'log', seed, nulls }).changes
  })
  const tables: AdditionTables = {
    format: { digits, sign: adder.config.sign },
    ...{ accuracies, heads, steps, attention, order, changes },
  }
  return {
    scalars: {
      randomAccuracy: accuracies.random,
      randomLoss: accuracies.randomLoss,
      baseAddAccuracy: accuracies.baseAdd,
      useCarryAccuracy: accuracies.useCarry,
      simpleNineAccuracy: cascadeAccuracy(accuracies, (nines) => nines === 1),
      cascadeAccuracy: cascadeAccuracy(accuracies, (nines) => nines >= 2),
      ...Object.fromEntries(
        accuracies.cascades.map(({ start, nines, accuracy }) => [`accuracy/nines-${nines}/start-${start}`, accuracy]),
      ),
      ...finalLosses(run!.log),
      baseAddFirst: baseAddFirst(order),
      ...orderScalars(order),
      ...summariseSteps(steps, adder, ablated),
      ...headScalars(heads),
      ...staircaseScalars(staircases),
      ...changeScalars(changes),
    },
    curves: Object.fromEntries([
      ...questionCategories(digits).map((category) => curveEntry(run!.log, `${category}/accuracy`)),
      curveEntry(run!.log, 'random/accuracy'),
      ...Array.from({ length: digits + 1 }, (_, digit) => {
        const { steps: x, values: y } = digitLossCurve(run!.log, adder.config, digit)
        return [`loss/A${digit}`, { x, y }] as const
      }),
      ...order.flatMap(({ digit }) =>
        (['BA', 'UC1', 'US9'] as const).flatMap((task) => {
          if (task === 'US9' && digit < LOWEST_WITH_NINE) return []
          const { steps: x, values: y } = taskCurve(run!.log, adder.config, task, digit)
          return [[`task-loss/A${digit}/${task}`, { x, y }] as const]
        }),
      ),
    ]),
    tables: { addition: tables },
  }
}

/** How many of the last logged steps the final loss is taken from. */
const LAST = 100

/** The training loss at the end: the median is what one batch shows, the mean also shows spikes. */
function finalLosses(log: readonly LogEntry[]): { finalLoss: number; finalMeanLoss: number } {
  const last = curveOf(log, 'loss').values.slice(-LAST)
  const sorted = last.toSorted((a, b) => a - b)
  return {
    finalLoss: (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.floor(sorted.length / 2)]!) / 2,
    finalMeanLoss: last.reduce((sum, loss) => sum + loss, 0) / last.length,
  }
}

function orderScalars(order: readonly DigitOrder[]): Record<string, number> {
  return Object.fromEntries(
    order.flatMap(({ digit, learned }) =>
      Object.entries(learned).map(([task, step]) => [`learned/A${digit}/${task}`, step]),
    ),
  )
}

function headScalars(ablations: readonly HeadAblation[]): Record<string, number> {
  return Object.fromEntries(
    ablations.flatMap(({ layer, head, kind, lossChange }) =>
      Object.entries(lossChange).map(([category, change]) => [`ablated/L${layer}H${head}/${kind}/${category}`, change]),
    ),
  )
}

/** Of the first layer under plain names, and of every layer under its own. */
function staircaseScalars(staircases: readonly Staircase[]): Record<string, number> {
  const [{ score, null95, pValue }] = staircases as [Staircase]
  const all = staircases.map((one, layer) => [`staircaseScore/L${layer}`, one.score] as const)
  return { staircaseScore: score, staircaseNull95: null95, staircasePValue: pValue, ...Object.fromEntries(all) }
}

/** The number of phase changes of each digit's loss, and the largest one. */
function changeScalars(changes: readonly (readonly PhaseChange[])[]): Record<string, number> {
  return Object.fromEntries(
    changes.flatMap((found, digit) => {
      const [largest] = found.toSorted((a, b) => b.effect.share - a.effect.share)
      const named = (name: string, value: number): [string, number] => [`phaseChange/A${digit}/${name}`, value]
      if (!largest) return [named('count', 0)]
      const [from, to] = largest.interval
      return [
        ...[named('count', found.length), named('from', from), named('center', largest.center), named('to', to)],
        ...[named('share', largest.effect.share), named('pValue', largest.pValue)],
      ]
    }),
  )
}

function curveEntry(log: readonly LogEntry[], name: string) {
  const { steps, values } = curveOf(log, name)
  return [name, { x: steps, y: values }] as const
}
