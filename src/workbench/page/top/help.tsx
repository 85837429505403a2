import { useId } from 'react'
import { preferences } from '../state/preferences.ts'
import { useStore } from '../state/store.ts'
import { Dialog } from '../ui/dialog.tsx'
import { Switch } from '../ui/switch.tsx'
import { KEYS } from './shortcuts.ts'
import './help.css'

/** The keys, and how to begin. */
export function Help({
  isOpen,
  onOpenChange,
}: {
  readonly isOpen: boolean
  readonly onOpenChange: (isOpen: boolean) => void
}) {
  const letterKeys = useStore(preferences, (state) => state.letterKeys)
  const id = useId()
  return (
    <Dialog
      title="Keys and help"
      about="Type a prompt on the left, read it in the middle, and click anything: the right side says what is known of it."
      isOpen={isOpen}
      onOpenChange={onOpenChange}
    >
      <dl className="keys">
        {KEYS.map(({ keys, does }) => (
          <div key={does}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <p className="key-switch">
        <Switch id={id} checked={letterKeys} onChange={(on) => preferences.dispatch({ letterKeys: on })} />
        <label htmlFor={id}>Single letters and digits are keys outside text fields</label>
      </p>
      <p className="muted">
        The address holds everything that is set up here: a link reopens it, and the browser's back button undoes steps.
        Models run on this machine, in the page or in the local server; nothing is uploaded.
      </p>
    </Dialog>
  )
}
