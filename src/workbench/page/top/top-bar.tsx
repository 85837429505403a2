import { ComparisonButton } from '../centre/comparison.tsx'
import { preferences } from '../state/preferences.ts'
import { say, useSession } from '../state/session.ts'
import { useStore } from '../state/store.ts'
import { IconButton } from '../ui/button.tsx'
import type { IconName } from '../ui/icons.tsx'
import { copyText } from '../ui/save.ts'
import { EngineSwitch } from './engine-switch.tsx'
import './top-bar.css'

/** The page's name, where runs happen, and what concerns the whole page. */
export function TopBar({ onHelp }: { readonly onHelp: () => void }) {
  const session = useSession()
  const share = async () => {
    try {
      await copyText(window.location.href)
      say(session, 'The link is copied: it opens this page as it is now.')
    } catch (error) {
      say(session, error instanceof Error ? error.message : String(error), true)
    }
  }
  return (
    <>
      <h1 className="wordmark">Diopter</h1>
      <EngineSwitch />
      <div className="top-actions">
        <ComparisonButton />
        <IconButton icon="link" name="Copy the link to this page" onClick={() => void share()} />
        <ThemeButton />
        <IconButton icon="question" name="Keys and help" onClick={onHelp} />
      </div>
    </>
  )
}

const NEXT = { system: 'light', light: 'dark', dark: 'system' } as const
const THEME_ICONS: Readonly<Record<keyof typeof NEXT, IconName>> = { system: 'half', light: 'sun', dark: 'moon' }

function ThemeButton() {
  const theme = useStore(preferences, (state) => state.theme)
  return (
    <IconButton
      icon={THEME_ICONS[theme]}
      name={`Theme: ${theme === 'system' ? "as the system's" : theme}`}
      data-shortcut="theme"
      onClick={() => preferences.dispatch({ theme: NEXT[theme] })}
    />
  )
}
