import * as v from 'valibot'
import { type SelfRepairValues, selfRepair } from '../../methods/index.ts'
import type { ViewSpec } from '../../views/index.ts'
import { EXAMPLE_QUESTION } from '../examples.ts'
import { questionList } from '../fields.ts'
import { defineMethod } from '../method.ts'
import { componentAblationFields } from './ablation-fields.ts'
import { barList, largest } from './grid-views.ts'
import { spoken } from './patch-fields.ts'
import { placeOfComponent } from './places.ts'

export const selfRepairRow = defineMethod({
  name: 'self_repair',
  title: 'Self-repair',
  summary:
    'What makes up for a head or an MLP layer that is taken out: direct against total effect, and who compensates',
  question: 'cause',
  takes: 'questions',
  example: { prompts: [EXAMPLE_QUESTION] },
  prompts: questionList,
  parameters: v.strictObject(componentAblationFields),
  run: (model, prompts, parameters, context) => selfRepair(model, prompts, { ...parameters, ...context }),
  views: (values) => [effectsMap(values), changesMap(values), repairBars(values)],
})

/** The most parts that are drawn, by the size of their effects. */
const SHOWN = 20

function effectsMap(values: SelfRepairValues): ViewSpec {
  const { parts, direct, others, norm, total, what, kind, metric, base } = values
  const shown = strongest(values)
  return {
    view: 'heatMap',
    props: {
      title: `${spoken(kind)} ablation by ${what}: direct effects and what becomes of them (${spoken(metric)} ${base.toFixed(3)})`,
      values: shown.map((i) => [direct, others, norm, total].map((list) => list[i]!)),
      rowLabels: shown.map((i) => parts[i]!),
      columnLabels: ['direct', 'other components', 'rescaling', 'total'],
      rowAxis: 'part',
      columnAxis: 'effect',
      valueLabel: `change of the ${spoken(metric)}`,
    },
    places: { rows: shown.map((i) => placeOfComponent(parts[i]!)) },
  }
}

function changesMap(values: SelfRepairValues): ViewSpec {
  const { parts, components, changes, metric } = values
  const shown = strongest(values)
  const rows = changes as readonly (readonly (number | null)[])[]
  return {
    view: 'heatMap',
    props: {
      title: 'Who writes something else when a part is missing (the part itself: its direct effect)',
      values: shown.map((i) => rows[i]!),
      rowLabels: shown.map((i) => parts[i]!),
      columnLabels: components,
      rowAxis: 'without',
      columnAxis: 'component',
      valueLabel: `change of what it writes into the ${spoken(metric)}`,
    },
    places: {
      rows: shown.map((i) => placeOfComponent(parts[i]!)),
      columns: components.map(placeOfComponent),
    },
  }
}

function repairBars({ parts, direct, total, low, high, metric }: SelfRepairValues): ViewSpec {
  const bars = parts.map((part, i) => {
    const [by, all, least, most] = [direct[i]!, total[i]!, low?.[i] ?? null, high?.[i] ?? null]
    const interval = least === null || most === null ? {} : { low: least, high: most }
    return {
      bar: { label: part, value: by === null || all === null ? null : all - by, ...interval },
      place: placeOfComponent(part),
    }
  })
  return barList('What is made up for: total less direct effect', largest(bars), `${spoken(metric)}, total less direct`)
}

/** The parts with the largest effects, in their order. */
function strongest({ direct, total }: SelfRepairValues): number[] {
  const size = (i: number) => Math.max(Math.abs(direct[i] ?? 0), Math.abs(total[i] ?? 0))
  const order = direct.map((_, i) => i).sort((a, b) => size(b) - size(a) || a - b)
  return order.slice(0, SHOWN).sort((a, b) => a - b)
}
