import {
  type AdditionFormat,
  equalsPosition,
  predictingPosition,
  questionPosition,
  sequenceLength,
} from '../../train/tasks/addition/format.ts'
import { renderSvg, type Series } from '../../views/index.ts'
import type { ArmResult } from '../experiment.ts'
import { cascadeAccuracy } from './accuracy.ts'
import { logBinned } from './log-binned.ts'
import type { AdditionTables } from './measure.ts'

/** SVG pictures: for the first seed of every arm its curves, ablations and attention; for all of them accuracy by cascade. */
export function additionFigures(results: readonly ArmResult[]): Record<string, string> {
  const figures: Record<string, string> = { cascades: cascadeFigure(results), order: orderFigure(results) }
  for (const arm of new Set(results.map((result) => result.arm))) {
    const result = results.find((one) => one.arm === arm)!
    figures[`digit-loss-${arm}`] = digitLossFigure(result)
    figures[`accuracy-${arm}`] = accuracyFigure(result)
    figures[`task-loss-${arm}`] = taskFigure(result)
    // Heads and steps of a model that cannot add say nothing.
    if (tablesOf(result).accuracies.random < ADDS) continue
    figures[`head-ablation-${arm}`] = headFigure(result)
    for (let layer = 0; layer < tablesOf(result).attention.length; layer++) {
      figures[`step-ablation-${arm}-layer-${layer}`] = stepFigure(result, layer)
      figures[`attention-${arm}-layer-${layer}`] = attentionFigure(result, layer)
    }
  }
  return figures
}

/** The share of random questions that a model must get right for its heads and steps to be drawn. */
const ADDS = 0.5
/** Digits whose tasks are drawn. */
const DRAWN_DIGITS = [3, 2, 1]

const tablesOf = ({ measures }: ArmResult) => measures.tables.addition as AdditionTables

/** One layer against two, by the number of 9s that a carry passes: all arms and seeds. */
function cascadeFigure(results: readonly ArmResult[]): string {
  return renderSvg('curves', {
    title: 'Sums right, by how many sums of 9 the longest carry passes through',
    xLabel: 'sums of 9 that the carry passes through',
    yLabel: 'share of questions answered right',
    series: results.map((result): Series => {
      const { accuracies, format } = tablesOf(result)
      const nines = Array.from({ length: format.digits - 1 }, (_, i) => i + 1)
      return {
        name: `${result.arm}, seed ${result.seed}`,
        x: [0, ...nines],
        y: [accuracies.useCarry, ...nines.map((one) => cascadeAccuracy(accuracies, (length) => length === one))],
      }
    }),
  })
}

/** When each digit's tasks were learned: all arms and seeds. */
function orderFigure(results: readonly ArmResult[]): string {
  return renderSvg('curves', {
    title: 'When the loss of each task first falls below 0.1, by answer digit (never: left out)',
    xLabel: 'answer digit (1: the second lowest)',
    yLabel: 'step',
    yScale: 'log',
    series: results.flatMap((result) =>
      (['BA', 'UC1', 'US9'] as const).flatMap((task): Series[] => {
        const points = tablesOf(result).order.map(({ digit, learned }) => ({ digit, step: learned[task] }))
        const learned = points.filter(({ step }) => Number.isFinite(step))
        if (learned.length === 0) return []
        const name = `${task}, ${result.arm}, seed ${result.seed}`
        return [{ name, x: learned.map(({ digit }) => digit), y: learned.map(({ step }) => step) }]
      }),
    ),
  })
}

function taskFigure(result: ArmResult): string {
  const { curves } = result.measures
  return renderSvg('curves', {
    title: `Held-out loss of digits by what they need: base add, use carry, use sum 9 (${nameOf(result)})`,
    xLabel: 'step',
    yLabel: 'loss of the digit (nats)',
    xScale: 'log',
    yScale: 'log',
    series: DRAWN_DIGITS.flatMap((digit) =>
      ['BA', 'UC1', 'US9'].flatMap((task): Series[] => {
        const curve = curves[`task-loss/A${digit}/${task}`]
        return curve ? [{ name: `A${digit} ${task}`, ...logBinned(curve) }] : []
      }),
    ),
  })
}

function digitLossFigure(result: ArmResult): string {
  const { format, changes } = tablesOf(result)
  const digits = Array.from({ length: format.digits + 1 }, (_, i) => format.digits - i)
  return renderSvg('curves', {
    title: `Training loss of each answer digit (${nameOf(result)}); shaded: the largest phase change of each`,
    xLabel: 'step',
    yLabel: 'loss of the digit (nats, averaged between points)',
    xScale: 'log',
    yScale: 'log',
    series: digits.map((digit) => ({ name: `A${digit}`, ...logBinned(result.measures.curves[`loss/A${digit}`]!) })),
    spans: digits.flatMap((digit) => {
      const [largest] = changes[digit]!.toSorted((a, b) => b.effect.share - a.effect.share)
      return largest ? [{ name: `A${digit}`, from: largest.interval[0], to: largest.interval[1] }] : []
    }),
  })
}

function accuracyFigure(result: ArmResult): string {
  const names = Object.keys(result.measures.curves).filter((name) => name.endsWith('/accuracy'))
  return renderSvg('curves', {
    title: `Held-out sums right, by category (${nameOf(result)})`,
    xLabel: 'step',
    yLabel: 'share of questions answered right',
    xScale: 'log',
    series: names.map((name) => ({
      name: name.replace('/accuracy', ''),
      ...logBinned(result.measures.curves[name]!),
    })),
  })
}

function headFigure(result: ArmResult): string {
  const { heads } = tablesOf(result)
  const categories = Object.keys(heads[0]!.lossChange)
  return renderSvg('heatMap', {
    title: `Loss that ablating one head adds, by category (${nameOf(result)})`,
    values: heads.map(({ lossChange }) => categories.map((category) => lossChange[category]!)),
    rowLabels: heads.map(({ layer, head, kind }) => `L${layer}H${head}, ${kind}`),
    columnLabels: categories,
    rowAxis: 'head and ablation',
    columnAxis: 'category of question',
    valueLabel: 'loss change per answer token (nats)',
  })
}

function stepFigure(result: ArmResult, layer: number): string {
  const { steps, format } = tablesOf(result)
  const own = steps.filter((step) => step.layer === layer)
  const digits = Array.from({ length: format.digits + 1 }, (_, i) => format.digits - i)
  const tokens = tokenNames(format)
  return renderSvg('heatMap', {
    title: `Wrong digits when one step is mean-ablated after layer ${layer} (${nameOf(result)})`,
    values: digits.map((digit) => own.map(({ errors }) => errors[digit]!)),
    rowLabels: digits.map((digit) => `A${digit}`),
    columnLabels: own.map(({ position }) => `${position} ${tokens[position]}`),
    rowAxis: 'answer digit',
    columnAxis: 'ablated step',
    valueLabel: 'share of questions with a wrong digit',
    scale: 'sequential',
    domain: [0, 1],
  })
}

function attentionFigure(result: ArmResult, layer: number): string {
  const { attention, format } = tablesOf(result)
  const digits = Array.from({ length: format.digits + 1 }, (_, i) => format.digits - i)
  const tokens = tokenNames(format)
  const rows = attention[layer]!.flatMap((pattern, head) =>
    digits.map((digit) => ({ label: `H${head} for A${digit}`, weights: pattern[predictingPosition(format, digit)]! })),
  )
  return renderSvg('heatMap', {
    title: `Mean attention of the steps that predict the answer, layer ${layer} (${nameOf(result)})`,
    values: rows.map(({ weights }) => [...weights]),
    rowLabels: rows.map(({ label }) => label),
    columnLabels: tokens.slice(0, -1),
    rowAxis: 'head and predicted digit',
    columnAxis: 'token attended to',
    valueLabel: 'attention',
    scale: 'sequential',
    domain: [0, 1],
  })
}

const nameOf = ({ arm, seed }: ArmResult) => `${arm}, seed ${seed}`

/** `D4 .. D0 + D'4 .. D'0 = A5 .. A0`. */
function tokenNames(format: AdditionFormat): string[] {
  const names = new Array<string>(sequenceLength(format)).fill('+')
  for (let digit = 0; digit < format.digits; digit++) {
    names[questionPosition(format, 'first', digit)] = `D${digit}`
    names[questionPosition(format, 'second', digit)] = `D'${digit}`
  }
  names[equalsPosition(format)] = '='
  if (format.sign) names[equalsPosition(format) + 1] = 'sign'
  for (let digit = 0; digit <= format.digits; digit++) names[predictingPosition(format, digit) + 1] = `A${digit}`
  return names
}
