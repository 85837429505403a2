import { visibleLabel } from '../../../views/index.ts'
import { useSession, useWorkspace } from '../state/session.ts'
import { useTokens } from '../state/use-model.ts'
import { IconButton } from '../ui/button.tsx'
import { HeadFacts } from './head-facts.tsx'
import { MakeChips } from './make-chips.tsx'
import { PositionFacts } from './position-facts.tsx'
import './inspector.css'

/** All that is known of the one place that is selected. */
export function Inspector() {
  const session = useSession()
  const selection = useWorkspace((workspace) => workspace.selection)
  const clean = useWorkspace((workspace) => workspace.clean)
  const { data: tokens } = useTokens(clean)
  if (!selection || Object.values(selection).every((part) => part === undefined)) return <Nothing />
  const { layer, head, neuron, position, key } = selection
  const said = (at: number) => visibleLabel(tokens?.tokens[at] ?? '')
  return (
    <>
      <section className="side-section" aria-label="Selection">
        <div className="side-head">
          <h2 className="selection-title">
            {layer !== undefined && <span>Layer {layer}</span>}
            {head !== undefined && <span>Head {head}</span>}
            {neuron !== undefined && <span>Neuron {neuron}</span>}
            {position !== undefined && (
              <span>
                Position {position} <code>{said(position)}</code>
              </span>
            )}
            {key !== undefined && (
              <span>
                reads {key} <code>{said(key)}</code>
              </span>
            )}
          </h2>
          <IconButton
            icon="close"
            name="Clear the selection (Esc)"
            onClick={() => session.workspace.dispatch({ kind: 'select', place: null })}
          />
        </div>
        <MakeChips place={selection} />
      </section>
      {layer !== undefined && head !== undefined && <HeadFacts layer={layer} head={head} position={position} />}
      {position !== undefined && <PositionFacts position={position} layer={layer} />}
    </>
  )
}

function Nothing() {
  return (
    <section className="side-section" aria-label="Selection">
      <h2 className="side-title">Inspector</h2>
      <p className="muted">
        Click a cell, a head or a token in any picture, or move there with the arrow keys and press Enter. All pictures
        then point at the same place, and what is known of it is here.
      </p>
    </section>
  )
}
