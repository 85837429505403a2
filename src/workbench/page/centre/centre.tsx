import { Tabs } from 'radix-ui'
import { methods } from '../../../runs/index.ts'
import { useSession, useWorkspace } from '../state/session.ts'
import { TABS, type Tab } from '../state/workspace.ts'
import { Panel } from './panel.tsx'
import { TrainTab } from './train-tab.tsx'
import './centre.css'

const TITLES: Readonly<Record<Tab, { readonly title: string; readonly about: string }>> = {
  read: { title: 'Read', about: 'What is there? One look inside, nothing changed.' },
  cause: {
    title: 'Cause',
    about: 'What causes the answer? Parts are replaced or removed, and the output is compared.',
  },
  circuits: { title: 'Circuits', about: 'Which heads do which job, and how do they work together?' },
  train: { title: 'Train', about: 'How does it come about? Small models train here; shipped ones show how they did.' },
}

/** The questions, and under each the methods that answer it. */
export function Centre() {
  const session = useSession()
  const tab = useWorkspace((workspace) => workspace.tab)
  return (
    <Tabs.Root
      className="tabs"
      value={tab}
      onValueChange={(chosen) => session.workspace.dispatch({ kind: 'showTab', tab: chosen as Tab })}
    >
      <Tabs.List className="tab-list" aria-label="Questions">
        {TABS.map((name) => (
          <Tabs.Trigger key={name} value={name} className="tab">
            {TITLES[name].title}
          </Tabs.Trigger>
        ))}
        <p className="tab-about">{TITLES[tab].about}</p>
      </Tabs.List>
      {TABS.map((name) => (
        <Tabs.Content key={name} value={name} className="tab-content">
          {name === 'train' ? (
            <TrainTab />
          ) : (
            methods
              .filter(({ question }) => question === name)
              .map((method) => <Panel key={method.name} method={method} />)
          )}
        </Tabs.Content>
      ))}
    </Tabs.Root>
  )
}
