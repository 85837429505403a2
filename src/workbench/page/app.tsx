import { Tooltip } from 'radix-ui'
import { useState } from 'react'
import { JobsBar } from './bottom/jobs-bar.tsx'
import { Centre } from './centre/centre.tsx'
import { ComparisonDrawer } from './centre/comparison.tsx'
import { Left } from './left/left.tsx'
import { Inspector } from './right/inspector.tsx'
import { type Session, SessionContext } from './state/session.ts'
import { Help } from './top/help.tsx'
import { useShortcuts } from './top/shortcuts.ts'
import { TopBar } from './top/top-bar.tsx'
import { Announcer } from './ui/announcer.tsx'
import { DropZone } from './ui/drop-zone.tsx'
import { Notices } from './ui/notices.tsx'
import './tokens.css'
import './base.css'
import './app.css'

/** The page. */
export function App({ session }: { readonly session: Session }) {
  return (
    <SessionContext value={session}>
      <Tooltip.Provider delayDuration={500}>
        <Layout />
        <DropZone />
        <Notices />
        <Announcer />
      </Tooltip.Provider>
    </SessionContext>
  )
}

/** Where the link to the results leads. */
const focusable = { tabIndex: -1 } as const

/** On a narrow screen one pane is seen at a time. */
const PANES = { left: 'Setup', centre: 'Results', right: 'Inspector' } as const
type Pane = keyof typeof PANES

function Layout() {
  const [isHelp, setHelp] = useState(false)
  const [pane, setPane] = useState<Pane>('centre')
  const [showHelp] = useState(() => () => setHelp(true))
  useShortcuts(showHelp)
  return (
    <div className="app" data-pane={pane}>
      <a className="skip" href="#results">
        Skip to the results
      </a>
      <header className="top">
        <TopBar onHelp={showHelp} />
      </header>
      <nav className="pane-switch" aria-label="Panes">
        {(Object.keys(PANES) as Pane[]).map((name) => (
          <button key={name} type="button" data-shows={name} aria-pressed={pane === name} onClick={() => setPane(name)}>
            {PANES[name]}
          </button>
        ))}
      </nav>
      <main className="main">
        <section className="left" aria-label="Setup">
          <Left />
        </section>
        <section className="centre" id="results" aria-label="Results" {...focusable}>
          <Centre />
        </section>
        <section className="right" aria-label="Inspector">
          <Inspector />
        </section>
      </main>
      <footer className="bottom">
        <JobsBar />
      </footer>
      <Help isOpen={isHelp} onOpenChange={setHelp} />
      <ComparisonDrawer />
    </div>
  )
}
