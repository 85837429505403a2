import type { LensValues, PredictionValues } from '../../../methods/index.ts'
import { methodOf } from '../../../runs/index.ts'
import { visibleLabel } from '../../../views/index.ts'
import { useWorkspace } from '../state/session.ts'
import { specOf } from '../state/spec.ts'
import { useHasTokenizer } from '../state/use-model.ts'
import { keyed } from '../ui/keyed.ts'
import { percentText } from '../ui/numbers.ts'
import { useKnownRun } from './use-known-run.ts'

/** What the model reads and expects at a position: its loss, what comes next, and the lens after every layer. */
export function PositionFacts({ position, layer }: { readonly position: number; readonly layer: number | undefined }) {
  return (
    <>
      <Next position={position} />
      <LensByLayer position={position} layer={layer} />
    </>
  )
}

function Next({ position }: { readonly position: number }) {
  const workspace = useWorkspace((state) => state)
  const hasTokenizer = useHasTokenizer()
  const record = useKnownRun(specOf(methodOf('predict'), workspace, hasTokenizer).spec, 'Inspector: predictions')
  const values = record?.result?.values as unknown as PredictionValues | undefined
  const expectations = values?.prompts[0]?.expectations
  const here = expectations?.[position]
  const loss = expectations?.[position - 1]?.loss
  return (
    <section className="side-section" aria-label="Predictions at the position">
      <div className="side-head">
        <h3 className="side-title">Expected next</h3>
        <span className="muted small">
          {loss === undefined || loss === null ? 'no loss: nothing before it' : `own loss ${loss.toFixed(2)} nats`}
        </span>
      </div>
      {here ? <TokenBars tokens={here.top} /> : <Waiting error={record?.error} />}
    </section>
  )
}

function LensByLayer({ position, layer }: { readonly position: number; readonly layer: number | undefined }) {
  const workspace = useWorkspace((state) => state)
  const hasTokenizer = useHasTokenizer()
  const record = useKnownRun(specOf(methodOf('lens'), workspace, hasTokenizer).spec, 'Inspector: lens')
  const values = record?.result?.values as unknown as LensValues | undefined
  const cells = values?.prompts[0]?.cells
  return (
    <section className="side-section" aria-label="Lens at the position">
      <h3 className="side-title">Lens, layer by layer</h3>
      {cells ? (
        <table className="facts-table">
          <thead>
            <tr>
              <th scope="col">after</th>
              <th scope="col">says</th>
              <th scope="col">chance</th>
              <th scope="col">final's rank</th>
            </tr>
          </thead>
          <tbody>
            {cells.map((row, index) => {
              const cell = row[position]
              const name = values?.layers[index] ?? ''
              if (!cell) return null
              return (
                <tr key={name} aria-current={String(layer) === name ? true : undefined}>
                  <th scope="row">{name}</th>
                  <td className="mono">{visibleLabel(cell.top[0]?.token ?? '')}</td>
                  <td className="number">{percentText(cell.top[0]?.probability ?? 0)}</td>
                  <td className="number">{cell.rank}</td>
                </tr>
              )
            })}
          </tbody>
        </table>
      ) : (
        <Waiting error={record?.error} />
      )}
    </section>
  )
}

/** A token with a share of something. */
export interface TokenBar {
  readonly token: string
  readonly probability: number
  /** Where it stands in the prompt. */
  readonly position?: number
}

/** Tokens with their probabilities, as numbers and as bars. */
export function TokenBars({ tokens }: { readonly tokens: readonly TokenBar[] }) {
  return (
    <ol className="token-bars">
      {keyed(tokens, ({ token }) => token).map(({ key, entry: { token, probability, position } }) => (
        <li key={key}>
          <span className="bar" style={{ width: `${probability * 100}%` }} />
          <span>
            {position !== undefined && <span className="number muted">{position} </span>}
            <code>{visibleLabel(token)}</code>
          </span>
          <span className="number">{percentText(probability)}</span>
        </li>
      ))}
    </ol>
  )
}

/** In the place of what is not known yet. */
export function Waiting({ error }: { readonly error: string | null | undefined }) {
  return error ? <p className="problem small">{error}</p> : <p className="muted small">Asking the model.</p>
}
