import { useEffect } from 'react'
import type { RunSpecInput } from '../../../runs/index.ts'
import { backendOf } from '../state/engines.ts'
import { type RunRecord, specKey } from '../state/results.ts'
import { useHasEngine, useSession, useWorkspace } from '../state/session.ts'
import { useStore } from '../state/store.ts'
import { runSpecAsJob } from '../state/work.ts'

/** A run that is known already, or else runs now on the page's engine. */
export function useRun(spec: RunSpecInput, title: string): RunRecord | undefined {
  const session = useSession()
  const backend = useWorkspace(backendOf)
  const key = specKey(spec)
  const record = useStore(session.results, ({ records }) => records.get(key))
  const hasEngine = useHasEngine()
  const mustRun = hasEngine && record === undefined
  useEffect(() => {
    // Two places may want the same run.
    if (!mustRun || session.results.get().records.has(key)) return
    void runSpecAsJob(session, { ...spec, backend }, { title })
  }, [mustRun, session, spec, key, backend, title])
  return record
}
