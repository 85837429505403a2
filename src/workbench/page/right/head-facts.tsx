import type { AttentionValues } from '../../../methods/index.ts'
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
  const pattern = values?.prompts[0]?.patterns[l]?.[h]
  return (
    <section className="side-section" aria-label="Head">
      <h3 className="side-title">
        Head L{layer}H{head} attends to
      </h3>
      {values && pattern ? (
        <>
          <dl className="scores">
            {(['previous', 'first', 'diagonal'] as const).map((name) => (
              <div key={name}>
                <dt>{{ previous: 'previous token', first: 'first token', diagonal: 'own token' }[name]}</dt>
                <dd className="number">{values.scores[name][l]?.[h]?.toFixed(2) ?? 'none'}</dd>
              </div>
            ))}
          </dl>
          {position !== undefined && pattern[position] && (
            <>
              <p className="muted small">From position {position}, most to:</p>
              <TokenBars tokens={mostRead(pattern[position], values.prompts[0]!.prompt.tokens)} />
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

function mostRead(weights: readonly number[], tokens: readonly string[]) {
  return weights
    .map((probability, key) => ({ token: tokens[key]!, position: key, probability }))
    .sort((a, b) => b.probability - a.probability)
    .slice(0, LISTED)
}
