import { useState } from 'react'
import { viewsOf } from '../../../runs/index.ts'
import { differenceView, type ViewSpec, whyNoDifference } from '../../../views/index.ts'
import type { Pin } from '../state/compare.ts'
import { useSession } from '../state/session.ts'
import { useStore } from '../state/store.ts'
import { Button, IconButton } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { keyed } from '../ui/keyed.ts'
import { Picture } from '../ui/picture.tsx'
import { Select } from '../ui/select.tsx'

/** The button that opens what was pinned; nothing while nothing is. */
export function ComparisonButton() {
  const { comparison } = useSession()
  const count = useStore(comparison, ({ pins }) => pins.length)
  if (count === 0) return null
  return (
    <Button icon="pin" onClick={() => comparison.dispatch({ kind: 'show', isOpen: true })}>
      Compare {count}
    </Button>
  )
}

/** Pinned results: two side by side, and their difference. */
export function ComparisonDrawer() {
  const { comparison } = useSession()
  const { pins, isOpen } = useStore(comparison, (state) => state)
  return (
    <Dialog
      shape="drawer"
      title="Pinned results"
      about={pins.length < 2 ? 'Pin another result to see both side by side, with their difference.' : undefined}
      isOpen={isOpen && pins.length > 0}
      onOpenChange={(open) => comparison.dispatch({ kind: 'show', isOpen: open })}
    >
      {pins.length > 0 && <Compared key={pins.length} pins={pins} />}
    </Dialog>
  )
}

function Compared({ pins }: { readonly pins: readonly Pin[] }) {
  const [left, setLeft] = useState(pins.at(-2) ?? pins[0]!)
  const [right, setRight] = useState(pins.at(-1)!)
  const isTwo = pins.length > 1
  return (
    <>
      <div className="side-by-side">
        <PinColumn pins={pins} pin={left} onPick={setLeft} name="Left result" />
        {isTwo && <PinColumn pins={pins} pin={right} onPick={setRight} name="Right result" />}
      </div>
      {isTwo && <Difference left={left} right={right} />}
    </>
  )
}

function PinColumn({
  pins,
  pin,
  onPick,
  name,
}: {
  readonly pins: readonly Pin[]
  readonly pin: Pin
  readonly onPick: (pin: Pin) => void
  readonly name: string
}) {
  const { comparison } = useSession()
  return (
    <section className="one-run" aria-label={name}>
      <div className="input-row">
        <Select
          name={name}
          value={pin.key}
          options={pins.map(({ key, label }) => ({ value: key, label }))}
          onChange={(key) => onPick(pins.find((choice) => choice.key === key)!)}
        />
        <IconButton
          icon="close"
          name={`Unpin: ${pin.label}`}
          onClick={() => comparison.dispatch({ kind: 'unpin', key: pin.key })}
        />
      </div>
      {keyed(viewsOf(pin.result), ({ props }) => props.title).map(({ key, entry }) => (
        <Picture key={key} spec={entry} />
      ))}
    </section>
  )
}

function Difference({ left, right }: { readonly left: Pin; readonly right: Pin }) {
  const pairs = paired(viewsOf(left.result), viewsOf(right.result))
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
