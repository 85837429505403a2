import { useMemo } from 'react'
import { type LabelledSpec, viewsOf } from '../../../runs/index.ts'
import type { Selection } from '../../../views/index.ts'
import { useSession, useWorkspace } from '../state/session.ts'
import { Dialog } from '../ui/dialog.tsx'
import { keyed } from '../ui/keyed.ts'
import { Picture } from '../ui/picture.tsx'
import { RunDetails } from './run-details.tsx'
import { useRun } from './use-run.ts'

/** The single runs behind a cell of a sweep, side by side. */
export function RunsDrawer({
  runs,
  onClose,
}: {
  readonly runs: readonly LabelledSpec[] | null
  readonly onClose: () => void
}) {
  return (
    <Dialog
      shape="drawer"
      title="The runs behind this cell"
      about="Each is an ordinary run of the model; what differs is in its name."
      isOpen={runs !== null}
      onOpenChange={(isOpen) => !isOpen && onClose()}
    >
      <div className="side-by-side">
        {(runs ?? []).map((run) => (
          <OneRun key={run.label} run={run} />
        ))}
      </div>
    </Dialog>
  )
}

function OneRun({ run: { label, spec } }: { readonly run: LabelledSpec }) {
  const session = useSession()
  const selection = useWorkspace((workspace) => workspace.selection)
  const record = useRun(spec, `Run behind a cell: ${label}`)
  const select = ({ place }: Selection) => session.workspace.dispatch({ kind: 'select', place })
  const pictures = useMemo(() => (record?.result ? viewsOf(record.result) : []), [record?.result])
  return (
    <section className="one-run" aria-label={label}>
      <h3>{label}</h3>
      {record?.error && <p className="problem">{record.error}</p>}
      {!record?.result && !record?.error && <p className="muted">Running.</p>}
      {keyed(pictures, ({ props }) => props.title).map(({ key: name, entry }) => (
        <Picture key={name} spec={entry} selected={selection} onSelect={select} />
      ))}
      {record?.result && <RunDetails result={record.result} />}
    </section>
  )
}
