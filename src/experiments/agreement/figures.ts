import { renderSvg } from '../../views/index.ts'
import type { ArmResult } from '../experiment.ts'
import type { FourAnswers } from './four-answers.ts'

/** What each way says, for the first seed of each arm. */
export function figures(results: readonly ArmResult[]): Readonly<Record<string, string>> {
  const first = results.filter(({ arm }, i) => results.findIndex((one) => one.arm === arm) === i)
  return Object.fromEntries(
    first.flatMap(({ arm, measures }) => {
      const answers = measures.tables.answers as FourAnswers
      return [[`heads-${arm}`, heads(arm, answers)], ...(answers.intoKeys.length > 0 ? edges(arm, answers) : [])]
    }),
  )
}

function heads(arm: string, { prefixMatching, ablated, toLogits }: FourAnswers): string {
  return renderSvg('heatMap', {
    title: `Last-layer heads of ${arm} in three ways`,
    values: [prefixMatching, ablated, toLogits],
    rowLabels: ['prefix matching', 'ablation', 'path to the logits'],
    columnLabels: prefixMatching.map((_, head) => `H${head}`),
    rowAxis: 'way',
    columnAxis: 'head',
    valueLabel: 'score, or share of the answer',
  })
}

function edges(arm: string, { intoKeys, composition, inUse }: FourAnswers): [string, string][] {
  const map = (name: string, title: string, values: readonly (readonly number[])[], valueLabel: string) =>
    [
      `${name}-${arm}`,
      renderSvg('heatMap', {
        title,
        values,
        rowLabels: values.map((_, head) => `L0H${head}`),
        columnLabels: values[0]!.map((_, head) => `L1H${head}`),
        rowAxis: 'sender',
        columnAxis: 'receiver (keys)',
        valueLabel,
      }),
    ] as [string, string]
  return [
    map('paths', 'Path patching into keys', intoKeys, 'share of the difference'),
    map('composition', 'K-composition of the weights', composition, 'deviations above random heads'),
    map('in-use', 'K-composition in use', inUse, 'share of the attention scores'),
  ]
}
