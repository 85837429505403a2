import type { AttentionValues, PatternArray } from '../../../methods/index.ts'
import { methodOf } from '../../../runs/index.ts'
import { specKey } from '../state/results.ts'
import { useSession, useWorkspace } from '../state/session.ts'
import { specOf } from '../state/spec.ts'
import { useStore } from '../state/store.ts'
import { useHasTokenizer } from '../state/use-model.ts'
import { TokenBars, Waiting } from './position-facts.tsx'
import { useKnownRun } from './use-known-run.ts'

/** What a head does on the clean prompt: its mean attention, and where the selected position looks. */
export function HeadFacts({
  layer,
  head,
  position,
}: {
  readonly layer: number
  readonly head: number
  readonly position: number | undefined
}) {
  const { results } = useSession()
  const workspace = useWorkspace((state) => state)
  const hasTokenizer = useHasTokenizer()
  const { spec } = specOf(methodOf('attention'), workspace, hasTokenizer)
  // All heads where they are known; else those of the one layer are run.
  const all = useStore(results, ({ records }) => (spec ? records.get(specKey(spec)) : undefined))
  const own = useKnownRun(spec && !all ? { ...spec, parameters: { layers: [layer] } } : null, 'Inspector: attention')
  const record = all ?? own
  const values = record?.result?.values as unknown as AttentionValues | undefined
  const l = values?.layers.indexOf(layer) ?? -1
  const h = values?.heads.indexOf(head) ?? -1
  const weights = values && l >= 0 && h >= 0 ? weightsFrom(values.prompts[0]!.patterns, l, h, position) : null
  return (
    <section className="side-section" aria-label="Head">
      <h3 className="side-title">
        Head L{layer}H{head} attends to
      </h3>
      {values && weights ? (
        <>
          <dl className="scores">
            {(['previous', 'first', 'diagonal'] as const).map((name) => (
              <div key={name}>
                <dt>{{ previous: 'previous token', first: 'first token', diagonal: 'own token' }[name]}</dt>
                <dd className="number">{values.scores[name][l]?.[h]?.toFixed(2) ?? 'none'}</dd>
              </div>
            ))}
          </dl>
          {weights.length > 0 && (
            <>
              <p className="muted small">From position {position}, most to:</p>
              <TokenBars tokens={mostRead(weights, values.prompts[0]!.prompt.tokens)} />
            </>
          )}
        </>
      ) : (
        <Waiting error={record?.error} />
      )}
    </section>
  )
}

/** Keys that are listed. */
const LISTED = 5

/** The weights of one query, [key]; none where there is no such query. */
function weightsFrom({ shape, data }: PatternArray, layer: number, head: number, query = -1): Float32Array {
  const [, heads, queries, keys] = shape
  if (query < 0 || query >= queries) return new Float32Array()
  const start = ((layer * heads + head) * queries + query) * keys
  return data.subarray(start, start + keys)
}

function mostRead(weights: Float32Array, tokens: readonly string[]) {
  return Array.from(weights, (probability, key) => ({ token: tokens[key]!, position: key, probability }))
    .sort((a, b) => b.probability - a.probability)
    .slice(0, LISTED)
}
