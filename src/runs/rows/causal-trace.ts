import * as v from 'valibot'
import {
  type CausalTrace,
  type CausalTraceValues,
  CORRUPTIONS,
  causalTracing,
  type Nested,
  TRACE_MEASURES,
  TRACED_HOOKS,
} from '../../methods/index.ts'
import type { Place, Value, ViewSpec } from '../../views/index.ts'
import { EXAMPLE_SUBJECT_PAIR } from '../examples.ts'
import { count, layersField, named } from '../fields.ts'
import { defineMethod, type LabelledSpec } from '../method.ts'
import { type TracedJson, tracedSchema } from '../prompt-schema.ts'
import type { RunSpec } from '../schema.ts'
import { spoken } from './patch-fields.ts'
import { layerPlaces, positionPlaces } from './places.ts'
import { predictionSpec } from './runs-at.ts'

export const causalTraceRow = defineMethod({
  name: 'causal_trace',
  title: 'Causal tracing',
  summary: 'Which states carry a fact from its subject to the answer, with the subject corrupted (causal tracing)',
  question: 'cause',
  takes: 'pairs',
  example: { prompts: [EXAMPLE_SUBJECT_PAIR] },
  prompts: v.pipe(v.array(tracedSchema), v.minLength(1)),
  parameters: v.strictObject({
    corruption: v.optional(
      named(
        v.picklist(CORRUPTIONS),
        'Corrupted by',
        "Gaussian noise on the subject's token embeddings, or the corrupted prompt's tokens (replacement); noise unless given.",
      ),
    ),
    subject: v.optional(
      named(
        v.string(),
        'Subject',
        'The part of the text that is corrupted; the tokens in which the corrupted prompt differs unless given.',
      ),
    ),
    noise: v.optional(
      named(
        v.pipe(v.number(), v.gtValue(0)),
        'Noise',
        "How many standard deviations of the subject's token embeddings; 3 unless given.",
      ),
    ),
    draws: v.optional(named(count, 'Draws', 'How many draws of the noise; 3 unless given.')),
    states: v.optional(
      named(
        v.pipe(v.array(v.string()), v.minLength(1)),
        'States',
        'What is restored: the residual stream (resid), what MLP layers (mlp) or attention layers (attn) wrote. All unless given.',
      ),
    ),
    window: v.optional(
      named(
        count,
        'Window',
        'How many layers of MLP or attention outputs are restored together; a fifth of the layers unless given.',
      ),
    ),
    severed: v.optional(
      named(
        v.boolean(),
        'Severed',
        'Whether the residual stream is also restored with later MLP, and later attention layers held as corrupted; no unless given.',
      ),
    ),
    measure: v.optional(
      named(
        v.picklist(TRACE_MEASURES),
        'Measure',
        "The answer's probability, or its logit less the wrong token's; the probability unless given.",
      ),
    ),
    layers: layersField,
  }),
  run: (model, prompts, { subject: shared, ...parameters }, context) =>
    causalTracing(
      model,
      prompts.map((prompt) => ({ ...prompt, subject: prompt.subject ?? shared })),
      { ...parameters, ...context },
    ),
  views: (values) => values.traces.map((trace, t) => traceMapView(values, trace, t)),
  runsAt: restoredRuns,
})

/** A map of layers by tokens; by classes of tokens where there are several prompts. */
function traceMapView(values: CausalTraceValues, trace: CausalTrace, t: number): ViewSpec {
  const { layers, classes, measure, prompts } = values
  const [one] = prompts as [CausalTraceValues['prompts'][0]]
  const single = prompts.length === 1
  return {
    view: 'heatMap',
    props: {
      title: titleOf(values, trace),
      values: (single ? one.effects[t] : trace.byClass) as Nested as readonly (readonly Value[])[],
      rowLabels: layers.map((layer) => `layer ${layer}`),
      columnLabels: single
        ? one.prompt.tokens.map((token, p) => (one.subject.includes(p) ? `${token}*` : token))
        : [...classes],
      rowAxis: 'layer',
      columnAxis: single ? 'position' : 'token',
      valueLabel: `indirect effect on the ${spoken(measure)}`,
    },
    places: { rows: layerPlaces(layers), ...(single ? { columns: positionPlaces(one.prompt.tokens) } : {}) },
  }
}

function titleOf(
  { measure, clean, corrupt, corruption }: CausalTraceValues,
  { state, window, severed }: CausalTrace,
): string {
  const what =
    state === 'resid' ? 'the residual stream' : window === 1 ? `${state} outputs` : `${window} layers' ${state} outputs`
  const cut = severed ? `, later ${severed} layers severed` : ''
  return `Restoring ${what}${cut} (${spoken(measure)} ${clean[measure].toFixed(3)}, with ${corruption} ${corrupt[measure].toFixed(3)}; * subject)`
}

/** The clean run, and with replacement the corrupted one and that with the residual stream restored; noise is no edit of a spec. */
function restoredRuns(spec: RunSpec, { corruption, layers }: CausalTraceValues, place: Place): LabelledSpec[] {
  const { prompt = 0, layer, position } = place
  const asked = spec.prompts[prompt] as TracedJson | undefined
  if (asked === undefined || layer === undefined || !layers.includes(layer)) return []
  const clean = predictionSpec(spec, 'clean', asked.clean)
  if (corruption === 'noise' || asked.corrupt === undefined) return [clean]
  const both = [clean, predictionSpec(spec, 'corrupted', asked.corrupt)]
  // The run that gives the state sees the spec's edits, which an edit's own runs do not.
  if (position === undefined || spec.edits.length > 0) return both
  const hook = `blocks.${layer}.${TRACED_HOOKS.resid}`
  const label = `corrupted, with the clean residual stream behind layer ${layer}`
  const edit = { hook, kind: 'resample' as const, from: asked.clean, positions: [position] }
  return [...both, predictionSpec(spec, label, asked.corrupt, edit)]
}
