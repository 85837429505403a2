import { memo, useDeferredValue, useMemo, useState } from 'react'
import { type LabelledSpec, type Method, type RunResult, viewsOf } from '../../../runs/index.ts'
import { type Place, type Selection, type ViewSpec, viewTable } from '../../../views/index.ts'
import { useSession, useWorkspace } from '../state/session.ts'
import { Button } from '../ui/button.tsx'
import { DataTable } from '../ui/data-table.tsx'
import { keyed } from '../ui/keyed.ts'
import { Picture } from '../ui/picture.tsx'
import { continuationsOf } from './continuations.ts'
import { largeHead } from './large-head.ts'
import { RunsDrawer } from './runs-drawer.tsx'
import { isSmall } from './telling.ts'

/** The pictures of a result, or the numbers behind them; a click selects, and opens the run behind a cell where there is one. */
export const RunPictures = memo(function RunPictures({
  result,
  method,
}: {
  readonly result: RunResult
  readonly method: Method
}) {
  const session = useSession()
  const selection = useWorkspace((workspace) => workspace.selection)
  const isTable = useWorkspace((workspace) => workspace.panels[method.name]?.table ?? false)
  const pictures = useMemo(() => viewsOf(result), [result])
  const [chosen, setChosen] = useState<Selection | null>(null)
  const [opened, setOpened] = useState<readonly LabelledSpec[] | null>(null)

  const select = (picked: Selection) => {
    setChosen(picked)
    if (Object.keys(picked.place).length > 0) session.workspace.dispatch({ kind: 'select', place: picked.place })
  }
  const clear = () => {
    setChosen(null)
    session.workspace.dispatch({ kind: 'select', place: null })
  }
  const runs = chosen ? runsAt(method, result, chosen.place) : []
  if (pictures.length === 0) return <Values result={result} />
  return (
    <>
      <div className="pictures">
        {keyed(pictures, ({ props }) => props.title).map(({ key, entry: spec }) => (
          <figure key={key} className={isSmall(spec) && !isTable ? 'figure small-figure' : 'figure'}>
            {isTable ? (
              <DataTable table={viewTable(spec.view, spec.props)} title={spec.props.title} />
            ) : (
              <Picture spec={spec} selected={selection} onSelect={select} onClear={clear} />
            )}
            {!isTable && <LargeHead spec={spec} selection={selection} onSelect={select} onClear={clear} />}
          </figure>
        ))}
      </div>
      {chosen && runs.length > 0 && (
        <div className="cell-actions">
          <span className="mono">{chosen.label.replaceAll('\n', ', ')}</span>
          <Button onClick={() => setOpened(runs)}>Open this run</Button>
        </div>
      )}
      <RunsDrawer runs={opened} onClose={() => setOpened(null)} />
    </>
  )
})

function runsAt(method: Method, result: RunResult, place: Place): readonly LabelledSpec[] {
  return method.runsAt(result.spec, result.values, place)
}

/** The selected head's pattern in full, under the thumbnails of all: drawn after the page has shown what was selected. */
function LargeHead({
  spec,
  selection,
  onSelect,
  onClear,
}: {
  readonly spec: ViewSpec
  readonly selection: Place | null
  readonly onSelect: (selection: Selection) => void
  readonly onClear: () => void
}) {
  const settled = useDeferredValue(selection)
  const large = useMemo(() => largeHead(spec, settled), [spec, settled])
  if (!large) return null
  return <Picture spec={large} selected={settled} onSelect={onSelect} onClear={onClear} />
}

/** What has no picture: text that was generated, or the names of what there is. */
function Values({ result }: { readonly result: RunResult }) {
  const continuations = continuationsOf(result)
  if (continuations.length > 0)
    return keyed(continuations, ({ prompt, text }) => `${prompt}${text}`).map(({ key, entry: { prompt, text } }) => (
      <p key={key} className="panel-text mono">
        <span className="muted">{prompt}</span>
        <strong>{text}</strong>
      </p>
    ))
  return (
    <p className="panel-note">
      This method has no picture: it gives {Object.keys(result.values).join(', ')}. Export as JSON for the numbers.
    </p>
  )
}
