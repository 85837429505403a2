import { Toast } from 'radix-ui'
import { useSession } from '../state/session.ts'
import { useStore } from '../state/store.ts'
import { Icon } from './icons.tsx'
import './notices.css'

/** Sentences that appear for a moment; screen readers hear them. */
export function Notices() {
  const { notices: store } = useSession()
  const notices = useStore(store, (state) => state)
  return (
    <Toast.Provider label="Notice" duration={6000} swipeDirection="right">
      {notices.map(({ id, text, isProblem }) => (
        <Toast.Root
          key={id}
          className={isProblem ? 'notice bad' : 'notice'}
          duration={isProblem ? 12_000 : 5000}
          type={isProblem ? 'foreground' : 'background'}
          onOpenChange={(isOpen) => !isOpen && store.dispatch({ kind: 'dismiss', id })}
        >
          <Toast.Description className="notice-text">{text}</Toast.Description>
          <Toast.Close className="icon-button" aria-label="Dismiss">
            <Icon name="close" size={14} />
          </Toast.Close>
        </Toast.Root>
      ))}
      <Toast.Viewport className="notices" label="Notices ({hotkey})" />
    </Toast.Provider>
  )
}
