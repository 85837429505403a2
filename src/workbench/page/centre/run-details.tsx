import { memo } from 'react'
import type { RunResult } from '../../../runs/index.ts'
import { CodeBlock } from '../ui/code-block.tsx'
import { Disclosure } from '../ui/disclosure.tsx'
import { Icon } from '../ui/icons.tsx'
import { timeText } from '../ui/numbers.ts'

/** What is true of a result: its checks, what it cost, and what exactly was run. */
export const RunDetails = memo(function RunDetails({ result }: { readonly result: RunResult }) {
  const { checks, cost, provenance, spec, edits } = result
  const processing = provenance.processing.length > 0 ? provenance.processing.join(', ') : 'weights as they are'
  return (
    <div className="details">
      {checks.length > 0 && <Checks checks={checks} />}
      <Disclosure summary="What exactly was run">
        <dl className="facts">
          <dt>Model</dt>
          <dd>
            {provenance.model}
            {provenance.revision && ` at ${provenance.revision}`}, {processing}
          </dd>
          <dt>Engine</dt>
          <dd>
            {provenance.backend}, {provenance.dtype}, {provenance.startToken}
          </dd>
          <dt>Cost</dt>
          <dd>
            {timeText(cost.milliseconds)}: {cost.runs} runs, {cost.variants} variants, {cost.compiles} graphs compiled
          </dd>
          {edits.length > 0 && (
            <>
              <dt>Edits</dt>
              <dd>{edits.map(({ hook, kind, fired }) => `${kind} ${hook} fired ${fired} times`).join('; ')}</dd>
            </>
          )}
        </dl>
        <CodeBlock name="The spec" text={JSON.stringify(spec, null, 2)} />
      </Disclosure>
    </div>
  )
})

const SIGNS = { holds: 'check', fails: 'cross', 'not tested': 'dash' } as const

/** Every check as verdict, what was measured and why it matters; what was claimed on request. */
function Checks({ checks }: { readonly checks: RunResult['checks'] }) {
  return (
    <ul className="checks" aria-label="Checks">
      {checks.map(({ name, verdict, claimed, measured, why }) => (
        <li key={name} className={`check ${verdict.replace(' ', '-')}`}>
          <span className="verdict">
            <Icon name={SIGNS[verdict]} size={14} />
            {verdict}
          </span>
          <details>
            <summary>
              <span className="check-name">{name}</span>
              {measured !== null && <span className="muted"> · {numberText(measured)}</span>}
              {verdict !== 'holds' && <span className="check-why">{sentence(why)}</span>}
            </summary>
            <p className="muted small">Claimed: {claimed}.</p>
            {verdict === 'holds' && <p className="muted small">{sentence(why)}</p>}
          </details>
        </li>
      ))}
    </ul>
  )
}

const numberText = (measured: number | string) =>
  typeof measured === 'number' ? String(Number(measured.toPrecision(3))) : measured
const sentence = (words: string) => `${words.charAt(0).toUpperCase()}${words.slice(1)}.`
