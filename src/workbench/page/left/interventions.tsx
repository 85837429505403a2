import { useState } from 'react'
import { useSession, useWorkspace } from '../state/session.ts'
import { useOpenedModel } from '../state/use-model.ts'
import type { Chip } from '../state/workspace.ts'
import { IconButton } from '../ui/button.tsx'
import { keyed } from '../ui/keyed.ts'
import { Popover } from '../ui/popover.tsx'
import { Switch } from '../ui/switch.tsx'
import { ChipForm } from './chip-form.tsx'
import { chipLabel } from './edit-words.ts'

/** What is changed inside the model in every run: a list of edits, each of which can be switched off. */
export function Interventions() {
  const session = useSession()
  const chips = useWorkspace((workspace) => workspace.chips)
  const { data } = useOpenedModel()
  const [isAdding, setAdding] = useState(false)
  return (
    <section className="side-section" aria-label="Interventions">
      <div className="side-head">
        <h2 className="side-title">Interventions</h2>
        <Popover
          name="New intervention"
          isOpen={isAdding}
          onOpenChange={setAdding}
          align="end"
          trigger={<IconButton icon="plus" name="Add an intervention" data-shortcut="intervention" />}
        >
          <ChipForm
            edit={{ kind: 'zero', hook: 'blocks.0.attn.hook_z', heads: [0] }}
            config={data?.config}
            action="Add"
            onDone={(edit) => {
              session.workspace.dispatch({ kind: 'addChip', edit })
              setAdding(false)
            }}
          />
        </Popover>
      </div>
      {chips.length === 0 ? (
        <p className="muted small">None: the model runs as it is. Add one here, or from the inspector.</p>
      ) : (
        <ul className="chips">
          {keyed(chips, ({ edit }) => chipLabel(edit)).map(({ key, entry: chip, index }) => (
            <li key={key}>
              <ChipRow chip={chip} index={index} />
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

function ChipRow({ chip, index }: { readonly chip: Chip; readonly index: number }) {
  const session = useSession()
  const { data } = useOpenedModel()
  const [isEditing, setEditing] = useState(false)
  const label = chipLabel(chip.edit)
  const change = (changed: Chip) => session.workspace.dispatch({ kind: 'changeChip', index, chip: changed })
  return (
    <div className={`chip ${chip.on ? '' : 'off'}`}>
      <Switch name={`${label}: on`} checked={chip.on} onChange={(on) => change({ ...chip, on })} />
      <Popover
        name={`Edit: ${label}`}
        isOpen={isEditing}
        onOpenChange={setEditing}
        trigger={
          <button type="button" className="chip-label" title={label}>
            {label}
          </button>
        }
      >
        <ChipForm
          edit={chip.edit}
          config={data?.config}
          action="Change"
          onDone={(edit) => {
            change({ ...chip, edit })
            setEditing(false)
          }}
        />
      </Popover>
      <IconButton
        icon="close"
        name={`Remove: ${label}`}
        onClick={() => session.workspace.dispatch({ kind: 'removeChip', index })}
      />
    </div>
  )
}
