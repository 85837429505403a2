import { useEffect } from 'react'
import type { RunSpecInput } from '../../../runs/index.ts'
import { type RunRecord, specKey } from '../state/results.ts'
import { useSession } from '../state/session.ts'
import { useStore } from '../state/store.ts'
import { useOpenedModel } from '../state/use-model.ts'
import { runSpecAsJob } from '../state/work.ts'

/** Milliseconds that a selection must stay before something is run for it. */
const PAUSE = 200

/** A run from what is known already, or else run now; `null` asks for nothing. */
export function useKnownRun(spec: RunSpecInput | null, title: string): RunRecord | undefined {
  const session = useSession()
  const { data: model } = useOpenedModel()
  const key = spec === null ? null : specKey(spec)
  const record = useStore(session.results, ({ records }) => (key === null ? undefined : records.get(key)))
  const written = JSON.stringify(spec)
  const mustRun = key !== null && record === undefined && model !== undefined && model.ref === spec?.model.ref
  useEffect(() => {
    if (!mustRun) return
    const run = () => void runSpecAsJob(session, JSON.parse(written) as RunSpecInput, { title })
    const timer = setTimeout(run, PAUSE)
    return () => clearTimeout(timer)
  }, [mustRun, written, session, title])
  return record
}
