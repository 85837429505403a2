import { useState } from 'react'
import { type LogEntry, parseLog } from '../../../train/index.ts'
import { servedFolder } from '../../service/served-models.ts'
import { useQuery } from '../state/use-query.ts'
import { Button } from '../ui/button.tsx'
import { Picture } from '../ui/picture.tsx'
import { Select } from '../ui/select.tsx'
import { curveNames, curvesOf } from './log-curves.ts'

/** How a shipped model was trained: its log as curves. */
export function ShippedLog() {
  const entries = useQuery('models', {})
  const names = (entries.data ?? []).filter(({ origin }) => origin === 'shipped').map(({ ref }) => ref)
  const [picked, setModel] = useState('text')
  const model = names.includes(picked) ? picked : (names[0] ?? picked)
  const [log, setLog] = useState<{ readonly model: string; readonly entries: readonly LogEntry[] } | null>(null)
  const [error, setError] = useState<string | null>(null)
  const show = async () => {
    setError(null)
    try {
      const response = await fetch(new URL(`${servedFolder(model)}log.jsonl`, document.baseURI))
      if (!response.ok) throw new Error(`The page's host answered ${response.status} for the log of ${model}.`)
      setLog({ model, entries: parseLog(await response.text()) })
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure))
    }
  }
  if (names.length === 0) return null
  return (
    <section className="panel" aria-labelledby="shipped-title">
      <header className="panel-head train-head">
        <h2 className="panel-title" id="shipped-title">
          How the shipped models were trained
        </h2>
      </header>
      <div className="panel-body train-body">
        <div className="panel-run">
          <Select
            name="Shipped model"
            value={model}
            options={names.map((name) => ({ value: name, label: name }))}
            onChange={setModel}
          />
          <Button onClick={() => void show()}>Show its log</Button>
        </div>
        {error && <p className="panel-note problem">{error}</p>}
        {log && log.model === model && <LogPictures log={log.entries} model={model} />}
      </div>
    </section>
  )
}

function LogPictures({ log, model }: { readonly log: readonly LogEntry[]; readonly model: string }) {
  // Losses share an axis; every other quantity has its own picture.
  const all = curveNames(log)
  const losses = all.filter((name) => /loss|first|second/i.test(name))
  const groups = [losses, ...all.filter((name) => !losses.includes(name)).map((name) => [name])]
  return (
    <div className="log-pictures">
      {groups.map((group) => {
        const spec = curvesOf(log, group, group === losses ? `${model}: losses` : `${model}: ${group[0]}`)
        return spec && <Picture key={group.join()} spec={spec} />
      })}
    </div>
  )
}
