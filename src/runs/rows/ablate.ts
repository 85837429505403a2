import * as v from 'valibot'
import { ABLATABLE, ABLATED_HOOKS, ABLATION_KINDS, ablation, METRICS } from '../../methods/index.ts'
import type { EditJson } from '../edit-schema.ts'
import { EXAMPLE_QUESTION } from '../examples.ts'
import { headsField, layersField, named, neuronsField, positionsField, promptList, questionList } from '../fields.ts'
import { defineMethod } from '../method.ts'
import type { PromptJson, QuestionJson } from '../prompt-schema.ts'
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
    kind: v.optional(
      named(
        v.picklist(ABLATION_KINDS),
        'Replaced by',
        'Zero, the mean over the reference, or its activation on another prompt (resample); the mean unless given.',
      ),
    ),
    reference: v.optional(
      named(
        promptList,
        'Reference',
        'Prompts that means and resampled activations come from; the prompt itself unless given.',
      ),
    ),
    layers: layersField,
    heads: headsField,
    neurons: neuronsField,
    positions: positionsField,
    metric: v.optional(
      named(
        v.picklist(METRICS),
        'Metric',
        "What is measured: at the end of the prompt, or the loss over it; what the question's tokens allow unless given.",
      ),
    ),
  }),
  run: (model, prompts, parameters, context) => ablation(model, prompts, { ...parameters, ...context }),
  views({ what, kind, metric, base, effect, loss, axes }) {
    const picture = (name: string, from: number, values: typeof effect) =>
      sweepViews({
        title: `${kind} ablation by ${what}: change of the ${name} (${from.toFixed(3)} unablated)`,
        axes,
        values,
        valueLabel: `change of the ${name}`,
        unpatched: 0,
      })
    return [...picture(spoken(metric), base, effect), ...(loss ? picture('loss (nats)', loss.base, loss.effect) : [])]
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
    const edit: EditJson =
      kind === 'zero'
        ? { ...region, kind }
        : kind === 'mean'
          ? {
              ...region,
              kind,
              ...(spec.parameters.reference ? { prompts: spec.parameters.reference as PromptJson[] } : {}),
            }
          : { ...region, kind, from: [...question.resampledFrom!] }
    const name = what === 'attn' || what === 'mlp' ? `${what} ${place.layer}` : nameOf(part)
    return [whole, predictionSpec(spec, `without ${name} (${kind})`, prompt, edit)]
  },
})
