import { useEffect } from 'react'
import type { Method, RunResult, RunSpecInput } from '../../../runs/index.ts'
import { type RunRecord, specKey } from '../state/results.ts'
import { startsByItself } from '../state/self-run.ts'
import { type Session, useSession, useWorkspace } from '../state/session.ts'
import { type SpecOrReason, specOf } from '../state/spec.ts'
import { useStore } from '../state/store.ts'
import { useHasTokenizer, useOpenedModel } from '../state/use-model.ts'
import { runSpecAsJob } from '../state/work.ts'

/** Runs that take no longer than this follow what is typed by themselves. */
const QUICK_MS = 1500
/** Milliseconds without a change before they do. */
const PAUSE = 350

/** What a method's panel shows and does. */
export interface PanelWork {
  readonly asked: SpecOrReason
  /** The run of the present spec; undefined until there is one. */
  readonly record: RunRecord | undefined
  /** The result of the present spec, or else the panel's last one. */
  readonly shown: RunResult | null
  /** `shown` is of another spec than the present one. */
  readonly isStale: boolean
  readonly run: () => void
}

/** The spec of a method's panel with its run. */
export function usePanel(method: Method): PanelWork {
  const session = useSession()
  const workspace = useWorkspace((state) => state)
  const hasTokenizer = useHasTokenizer()
  const asked = specOf(method, workspace, hasTokenizer)
  const key = asked.spec === null ? null : specKey(asked.spec)
  const present = useStore(session.results, ({ records }) => (key === null ? undefined : records.get(key)))
  const last = useStore(session.results, ({ records, latest }) => records.get(latest.get(method.name) ?? ''))
  const run = () => {
    if (!asked.spec) return
    session.workspace.dispatch({ kind: 'setPanel', method: method.name, panel: { ran: true } })
    void runSpecAsJob(session, asked.spec, { panel: method.name })
  }

  const { data: model } = useOpenedModel()
  const isOpen = model !== undefined && model.ref === workspace.model
  const wasRun = workspace.panels[method.name]?.ran === true
  // A link runs again what it was made after; some panels start by themselves; quick methods follow the prompts and chips.
  const follows = last?.result?.complete === true && last.result.cost.milliseconds < QUICK_MS
  const mustRun =
    isOpen && present === undefined && key !== null && (last === undefined ? wasRun || startsByItself(method) : follows)
  const written = JSON.stringify(asked.spec)
  useEffect(() => {
    if (!mustRun) return
    const run = () => {
      overtake(session, method.name)
      void runSpecAsJob(session, JSON.parse(written) as RunSpecInput, { panel: method.name, unasked: !wasRun })
    }
    const timer = setTimeout(run, PAUSE)
    return () => clearTimeout(timer)
  }, [mustRun, written, wasRun, method, session])

  const shown = present?.result ?? last?.result ?? null
  return { asked, record: present, shown, isStale: shown !== null && shown !== present?.result, run }
}

/** Ends what a panel still runs of an earlier spec: nobody waits for it any more. */
function overtake({ results, jobs }: Session, panel: string): void {
  for (const [key, record] of results.get().records) {
    if (record.panel !== panel || record.job === null) continue
    results.dispatch({ kind: 'forget', key })
    jobs
      .get()
      .find(({ id }) => id === record.job)
      ?.cancel()
  }
}
