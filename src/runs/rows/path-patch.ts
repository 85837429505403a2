import * as v from 'valibot'
import { type PathPatchSweep, pathPatching } from '../../methods/index.ts'
import { EXAMPLE_PRONOUN_PAIR } from '../examples.ts'
import { named, positionsField } from '../fields.ts'
import { defineMethod } from '../method.ts'
import { edgeRunsAt, edgeViews } from './edge-views.ts'
import { pairList, patchFields, spoken } from './patch-fields.ts'

const parts = v.pipe(v.array(v.string()), v.minLength(1))

export const pathPatch = defineMethod({
  name: 'path_patch',
  title: 'Path patching',
  summary: 'Which connection between two parts carries a difference between two prompts (path patching)',
  question: 'circuits',
  takes: 'pairs',
  example: { prompts: [EXAMPLE_PRONOUN_PAIR], parameters: { receivers: ['logits', 'mlps', 'L3H0'] } },
  prompts: pairList,
  parameters: v.strictObject({
    senders: v.optional(
      named(
        parts,
        'Senders',
        'What writes: embed, heads, mlps, or single ones such as L0H1 and L0MLP. All unless given.',
      ),
    ),
    receivers: v.optional(
      named(
        parts,
        'Receivers',
        'What reads: logits, heads (queries, keys and values), q, k, v, mlps, all, or single ones such as L1H0, L1H0.q and L1MLP. The logits unless given.',
      ),
    ),
    mediators: v.optional(
      named(
        parts,
        'Mediators',
        'Parts between sender and receiver that may react, named as senders are. None unless given: the direct edge.',
      ),
    ),
    together: v.optional(
      named(v.boolean(), 'Receivers together', 'Whether all receivers are patched at once; one by one unless given.'),
    ),
    positions: positionsField,
    byPosition: v.optional(
      named(v.boolean(), 'By position', 'Whether every position of a sender is a row of its own; no unless given.'),
    ),
    direction: patchFields.direction,
    bothDirections: v.optional(
      named(v.boolean(), 'Both directions', 'Whether the other direction is run too, to compare; yes unless given.'),
    ),
    metric: patchFields.metric,
  }),
  run: (model, prompts, parameters, context) => pathPatching(model, prompts, { ...parameters, ...context }),
  views({ senders, receivers, mediators, metric, clean, corrupt, reverse, pairs, ...main }) {
    const between = mediators.length === 0 ? 'Direct edges' : `Paths through ${mediators.length} mediators`
    const picture = ({ direction, effects, low, high }: PathPatchSweep) =>
      edgeViews({
        title: `${between}, ${spoken(direction)} (${spoken(metric)} ${clean.toFixed(3)} clean, ${corrupt.toFixed(3)} corrupted)`,
        senders,
        receivers,
        values: effects,
        low,
        high,
        valueLabel: `change of the ${spoken(metric)}`,
        direction,
        pair: pairs[0]!,
      })
    return [main, ...(reverse ? [reverse] : [])].flatMap(picture)
  },
  runsAt: (spec, _, place) => edgeRunsAt(spec, place),
})
