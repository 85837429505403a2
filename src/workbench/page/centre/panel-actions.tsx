import type { Method } from '../../../runs/index.ts'
import { say, useSession, useWorkspace } from '../state/session.ts'
import { IconButton } from '../ui/button.tsx'
import { Menu } from '../ui/menu.tsx'
import { copyText } from '../ui/save.ts'
import { exportsOf } from './exports.ts'
import { pinLabel } from './pin-label.ts'
import type { PanelWork } from './use-panel.ts'

/** What can be done with a panel's result: pin it, see its numbers, take it along. */
export function PanelActions({ method, work }: { readonly method: Method; readonly work: PanelWork }) {
  const session = useSession()
  const isTable = useWorkspace((workspace) => workspace.panels[method.name]?.table ?? false)
  const result = work.shown
  const spec = work.asked.spec
  const attempt = async (what: () => Promise<unknown> | unknown, done?: string) => {
    try {
      await what()
      if (done) say(session, done)
    } catch (error) {
      say(session, error instanceof Error ? error.message : String(error), true)
    }
  }
  const { files, texts } = exportsOf(method, result, result?.spec ?? spec)
  const pin = () => {
    if (!result) return
    session.workspace.dispatch({ kind: 'pin', pin: { label: pinLabel(result), spec: result.spec } })
    const isSecond = session.workspace.get().pins.length > 1
    say(
      session,
      `${method.title} is pinned; ${isSecond ? 'Compare, at the top, shows what is pinned.' : 'pin another run of it to see the difference.'}`,
    )
  }
  return (
    <div className="panel-actions">
      <IconButton
        icon={isTable ? 'picture' : 'table'}
        name={isTable ? 'Show pictures' : 'Show the numbers'}
        disabled={!result}
        aria-pressed={isTable}
        onClick={() =>
          session.workspace.dispatch({ kind: 'setPanel', method: method.name, panel: { table: !isTable } })
        }
      />
      <IconButton icon="pin" name="Pin to compare" disabled={!result} onClick={pin} />
      <Menu
        trigger={<IconButton icon="export" name="Export" />}
        groups={[
          files.map(({ label, save }) => ({
            label,
            onSelect: () => void attempt(save),
            problem: result ? undefined : 'after a run',
          })),
          texts.map(({ label, text }) => ({
            label,
            onSelect: () => void attempt(() => copyText(text()), 'Copied.'),
            problem: result || spec ? undefined : 'nothing to run yet',
          })),
        ]}
      />
    </div>
  )
}
