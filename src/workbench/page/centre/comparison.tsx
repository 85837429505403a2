import { useState } from 'react'
import { viewsOf } from '../../../runs/index.ts'
import { differenceView, type ViewSpec, whyNoDifference } from '../../../views/index.ts'
import { useSession, useWorkspace } from '../state/session.ts'
import type { Pin } from '../state/workspace.ts'
import { Button, IconButton } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { keyed } from '../ui/keyed.ts'
import { Picture } from '../ui/picture.tsx'
import { Select } from '../ui/select.tsx'
import { useRun } from './use-run.ts'

/** The button that opens what was pinned; nothing while nothing is. */
export function ComparisonButton() {
  const { workspace } = useSession()
  const count = useWorkspace(({ pins }) => pins.length)
  if (count === 0) return null
  return (
    <Button icon="pin" onClick={() => workspace.dispatch({ kind: 'compare', comparing: true })}>
      Compare {count}
    </Button>
  )
}

/** Pinned results: two side by side, and their difference. */
export function ComparisonDrawer() {
  const { workspace } = useSession()
  const pins = useWorkspace((state) => state.pins)
  const comparing = useWorkspace((state) => state.comparing)
  return (
    <Dialog
      shape="drawer"
      title="Pinned results"
      about={pins.length < 2 ? 'Pin another result to see both side by side, with their difference.' : undefined}
      isOpen={comparing && pins.length > 0}
      onOpenChange={(open) => workspace.dispatch({ kind: 'compare', comparing: open })}
    >
      {pins.length > 0 && <Compared key={pins.length} pins={pins} />}
    </Dialog>
  )
}

function Compared({ pins }: { readonly pins: readonly Pin[] }) {
  const [left, setLeft] = useState(Math.max(0, pins.length - 2))
  const [right, setRight] = useState(pins.length - 1)
  const isTwo = pins.length > 1
  return (
    <>
      <div className="side-by-side">
        <PinColumn pins={pins} index={left} onPick={setLeft} name="Left result" />
        {isTwo && <PinColumn pins={pins} index={right} onPick={setRight} name="Right result" />}
      </div>
      {isTwo && <Difference left={pins[left]!} right={pins[right]!} />}
    </>
  )
}

function PinColumn({
  pins,
  index,
  onPick,
  name,
}: {
  readonly pins: readonly Pin[]
  readonly index: number
  readonly onPick: (index: number) => void
  readonly name: string
}) {
  const { workspace } = useSession()
  const pin = pins[index]!
  const record = usePinned(pin)
  return (
    <section className="one-run" aria-label={name}>
      <div className="input-row">
        <Select
          name={name}
          value={String(index)}
          options={pins.map(({ label }, at) => ({ value: String(at), label }))}
          onChange={(at) => onPick(Number(at))}
        />
        <IconButton
          icon="close"
          name={`Unpin: ${pin.label}`}
          onClick={() => workspace.dispatch({ kind: 'unpin', index })}
        />
      </div>
      {record?.error && <p className="problem">{record.error}</p>}
      {!record?.result && !record?.error && <p className="muted">Running.</p>}
      {record?.result &&
        keyed(viewsOf(record.result), ({ props }) => props.title).map(({ key, entry }) => (
          <Picture key={key} spec={entry} />
        ))}
    </section>
  )
}

/** A pin of this page has its result; one from a link runs. */
const usePinned = ({ spec, label }: Pin) => useRun(spec, `Pinned: ${label}`)

function Difference({ left, right }: { readonly left: Pin; readonly right: Pin }) {
  const [before, after] = [usePinned(left)?.result, usePinned(right)?.result]
  if (!before || !after) return null
  const pairs = paired(viewsOf(before), viewsOf(after))
  return (
    <section className="one-run difference" aria-label="Difference">
      <h3>Right less left</h3>
      {keyed(pairs, (pair) => (typeof pair === 'string' ? pair : pair.props.title)).map(({ key, entry }) =>
        typeof entry === 'string' ? (
          <p key={key} className="muted">
            {entry}
          </p>
        ) : (
          <Picture key={key} spec={entry} />
        ),
      )}
    </section>
  )
}

/** The differences of pictures that stand at the same place, or why there is none. */
function paired(left: readonly ViewSpec[], right: readonly ViewSpec[]): (ViewSpec | string)[] {
  const shared = Math.min(left.length, right.length)
  if (shared === 0) return ['These results have no pictures to compare.']
  return Array.from({ length: shared }, (_, index) => {
    const [a, b] = [left[index]!, right[index]!]
    return differenceView(a, b, ['left', 'right']) ?? whyNoDifference(a, b) ?? ''
  })
}
