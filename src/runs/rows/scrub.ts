import * as v from 'valibot'
import { causalScrubbing, type ScrubValues } from '../../methods/index.ts'
import type { ViewSpec } from '../../views/index.ts'
import { EXAMPLE_GENDER_HYPOTHESIS, EXAMPLE_GENDER_QUESTIONS } from '../examples.ts'
import { count, named } from '../fields.ts'
import { hypothesisSchema } from '../hypothesis-schema.ts'
import { defineMethod } from '../method.ts'
import { questionSchema } from '../prompt-schema.ts'
import { barList } from './grid-views.ts'
import { placeOfLabel } from './places.ts'
import { predictionSpec } from './runs-at.ts'

export const scrub = defineMethod({
  name: 'scrub',
  title: 'Causal scrubbing',
  summary: 'Whether an explanation of the model is right: everything that it allows is exchanged (causal scrubbing)',
  question: 'circuits',
  takes: 'questions',
  example: {
    prompts: EXAMPLE_GENDER_QUESTIONS,
    parameters: { hypothesis: EXAMPLE_GENDER_HYPOTHESIS, samples: 64 },
  },
  prompts: v.pipe(v.array(questionSchema), v.minLength(2)),
  parameters: v.strictObject({
    hypothesis: named(
      hypothesisSchema,
      'Hypothesis',
      'What matters for what, as JSON: nodes with their parts, positions, feature and inputs, and what the output reads.',
    ),
    samples: v.optional(named(count, 'Samples', 'How many samples are drawn; 256 unless given.')),
  }),
  run: (model, prompts, { hypothesis, samples }, context) =>
    causalScrubbing(model, prompts, hypothesis, { samples, ...context }),
  views: (values) => [recoveredBars(values), sizeCurve(values), ...worstBars(values), hypothesisGraph(values)],
  runsAt(spec, values, { prompt }) {
    const asked = prompt === undefined ? undefined : (spec.prompts[prompt] as { readonly prompt: string | number[] })
    return asked === undefined || values.worst.every(({ example }) => example !== prompt)
      ? []
      : [predictionSpec(spec, `example ${prompt}`, asked.prompt)]
  },
})

function recoveredBars({ recovered, kl, control, balance, loss }: ScrubValues): ViewSpec {
  const bar = (label: string, value: number, interval?: { readonly low: number; readonly high: number }) => ({
    bar: { label, value, ...(interval ? { low: interval.low, high: interval.high } : {}) },
    place: {},
  })
  return barList(
    `What the hypothesis recovers (loss ${loss.scrubbed.toFixed(3)}, model ${loss.model.toFixed(3)}, random examples ${loss.random.toFixed(3)} nats)`,
    [
      bar('mean loss', recovered.recovered, recovered),
      bar('KL per example', kl.recovered),
      ...(control === null
        ? []
        : [bar('loss, labels permuted', control.recovered, control), bar('KL, labels permuted', control.kl)]),
      ...(balance.recovered === null ? [] : [bar('KL, hidden inputs drawn anew', balance.recovered)]),
    ],
    'share recovered: 0 random examples, 1 the model',
  )
}

function sizeCurve({ bySize }: ScrubValues): ViewSpec {
  return {
    view: 'curves',
    props: {
      title: 'What the first samples say',
      series: [
        {
          name: 'loss recovered, with its 95% interval',
          x: bySize.map(({ samples }) => samples),
          y: bySize.map(({ recovered }) => recovered),
          low: bySize.map(({ low }) => low),
          high: bySize.map(({ high }) => high),
        },
      ],
      xLabel: 'samples',
      yLabel: 'share recovered',
      xScale: 'log',
    },
  }
}

function worstBars({ worst, kl }: ScrubValues): ViewSpec[] {
  if (worst.length === 0) return []
  return [
    barList(
      `Predictions that change most (median KL ${kl.median.toFixed(3)}, 90th percentile ${kl.high.toFixed(3)} nats)`,
      worst.map(({ tokens, answer, kl: own, example }) => ({
        bar: {
          label: `${tokens
            .slice(-4)
            .map((token) => token.trim())
            .join(' ')} -> ${answer.token.trim()}`,
          value: own,
        },
        place: { prompt: example },
      })),
      "KL from the model's own prediction (nats)",
    ),
  ]
}

/** The hypothesis itself: what reads what, and how many values each feature has. */
function hypothesisGraph({ nodes, output }: ScrubValues): ViewSpec {
  const depth = (name: string): number => {
    const { inputs } = nodes.find((node) => node.name === name)!
    return inputs === null || inputs.length === 0 ? 0 : 1 + Math.max(...inputs.map(depth))
  }
  const top = 1 + Math.max(...output.map(depth))
  const label = ({ name, feature }: ScrubValues['nodes'][number]) => `${name}: ${feature ?? 'the whole example'}`
  const links = nodes.flatMap(({ inputs }, to) =>
    (inputs ?? []).map((name) => ({ from: nodes.findIndex((node) => node.name === name), to })),
  )
  const read = output.map((name) => ({ from: nodes.findIndex((node) => node.name === name), to: nodes.length }))
  const all = [...links, ...read]
  return {
    view: 'circuitGraph',
    props: {
      title: 'The hypothesis',
      levels: Array.from({ length: top + 1 }, (_, i) => (i === top ? 'output' : `step ${i + 1}`)),
      nodes: [...nodes.map((node) => ({ name: label(node), level: depth(node.name) })), { name: 'logits', level: top }],
      links: all.map(({ from, to }) => ({ from, to, value: nodes[from]!.exchanged })),
      valueLabel: 'share of stand-ins that are other examples',
    },
    places: {
      rows: [
        ...nodes.map(({ parts }) => (parts.length === 1 ? placeOfLabel(parts[0]!) : {})),
        {},
        ...all.map(() => ({})),
      ],
    },
  }
}
