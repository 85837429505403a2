import * as v from 'valibot'
import {
  ABLATABLE,
  ABLATED_HOOKS,
  ABLATION_KINDS,
  type AblationValues,
  ablation,
  METRICS,
} from '../../methods/index.ts'
import type { ViewSpec } from '../../views/index.ts'
import type { EditJson } from '../edit-schema.ts'
import { EXAMPLE_QUESTION } from '../examples.ts'
import { headsField, layersField, named, neuronsField, questionList } from '../fields.ts'
import { defineMethod } from '../method.ts'
import type { PromptJson, QuestionJson } from '../prompt-schema.ts'
import { replacementFields } from './ablation-fields.ts'
import { sweepViews } from './grid-views.ts'
import { spoken } from './patch-fields.ts'
import { nameOf, predictionSpec, regionOf } from './runs-at.ts'

export const ablate = defineMethod({
  name: 'ablate',
  title: 'Ablation',
  summary: 'What breaks when a head, a layer or a neuron is taken out',
  question: 'cause',
  takes: 'questions',
  example: { prompts: [EXAMPLE_QUESTION] },
  prompts: questionList,
  parameters: v.strictObject({
    what: v.optional(
      named(
        v.picklist(ABLATABLE),
        'Part',
        'What is taken out, one at a time: heads, attention layers, MLP layers or neurons; heads unless given.',
      ),
    ),
    ...replacementFields,
    layers: layersField,
    heads: headsField,
    neurons: neuronsField,
    metric: v.optional(
      named(
        v.picklist(METRICS),
        'Metric',
        "What is measured: at the end of the prompt, or the loss over it; what the question's tokens allow unless given.",
      ),
    ),
  }),
  run: (model, prompts, parameters, context) => ablation(model, prompts, { ...parameters, ...context }),
  views({ what, kind, metric, base, effect, spread, placement, top, loss, axes }) {
    const measure = (title: string, values: typeof effect, valueLabel: string) =>
      sweepViews({ title, axes, values, valueLabel, unpatched: 0 })
    const picture = (name: string, from: number, values: typeof effect) =>
      sweepViews({
        title: `${kind} ablation by ${what}: change of the ${name} (${from.toFixed(3)} unablated)`,
        axes,
        values,
        valueLabel: `change of the ${name}`,
        unpatched: 0,
      })
    return [
      ...picture(spoken(metric), base, effect),
      ...(loss ? picture('loss (nats)', loss.base, loss.effect) : []),
      ...(top.length > 0 ? [kindsMap(top)] : []),
      ...(spread ? measure(`Deviation of the ${spoken(metric)} over draws`, spread, 'standard deviation') : []),
      ...measure(
        'How far replacements lie from the mean of real activations',
        placement.distance,
        'typical deviations of real ones',
      ),
      ...measure(
        'How far replacements lie from the nearest real activation',
        placement.nearest,
        'times what is usual among real ones',
      ),
    ]
  },
  runsAt(spec, { what, kind, axes, questions }, place) {
    const index = place.prompt ?? 0
    const [asked, question] = [spec.prompts[index] as PromptJson | QuestionJson | undefined, questions[index]]
    const isPart = Object.entries(axes).every(([axis, list]) => list.includes(place[axis as 'layer'] ?? -1))
    if (asked === undefined || question === undefined || !isPart) return []
    const prompt = typeof asked === 'object' && 'prompt' in asked ? asked.prompt : asked
    const whole = predictionSpec(spec, 'whole', prompt)
    // Means and resampled activations come from runs that see the spec's edits, which an edit's own runs do not.
    if (spec.edits.length > 0 && kind !== 'zero') return [whole]
    const part = {
      layer: place.layer!,
      ...(axes.head ? { head: place.head! } : {}),
      ...(axes.neuron ? { neuron: place.neuron! } : {}),
    }
    const region = regionOf(part, ABLATED_HOOKS[what], spec.parameters.positions)
    const name = what === 'attn' || what === 'mlp' ? `${what} ${place.layer}` : nameOf(part)
    const without = (edit: EditJson, more = '') =>
      predictionSpec(spec, `without ${name} (${spoken(kind)}${more})`, prompt, edit)
    if (kind === 'zero') return [whole, without({ ...region, kind })]
    if (kind === 'resample')
      return [
        whole,
        ...question.resampledFrom!.map((from, i) => without({ ...region, kind, from: [...from] }, ` ${i + 1}`)),
      ]
    // A mean position by position of prompts of several lengths cannot be written as an edit.
    if (kind === 'position_mean') return [whole]
    const reference = spec.parameters.reference as PromptJson[] | undefined
    return [whole, without({ ...region, kind, ...(reference ? { prompts: reference } : {}) })]
  },
})

/** The top parts by every kind of ablation. */
function kindsMap(top: AblationValues['top']): ViewSpec {
  const kinds = ABLATION_KINDS.filter((kind) => top[0]!.effects[kind] !== undefined)
  return {
    view: 'heatMap',
    props: {
      title: 'The top parts by every kind of ablation, and their direct effect alone',
      values: top.map(({ effects, direct }) => [...kinds.map((kind) => effects[kind]!), direct]),
      rowLabels: top.map(({ part }) => part),
      columnLabels: [...kinds.map(spoken), 'direct'],
      rowAxis: 'part',
      columnAxis: 'replaced by',
      valueLabel: 'change of the metric',
    },
    places: {
      rows: top.map(({ layer, head, neuron }) => ({
        layer,
        ...(head === undefined ? {} : { head }),
        ...(neuron === undefined ? {} : { neuron }),
      })),
    },
  }
}
