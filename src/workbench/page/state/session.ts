import { createContext, useContext } from 'react'
import type { DroppedFolder } from '../../browser/dropped-folder.ts'
import { createEngines, type EngineStore } from './engines.ts'
import { createJobs, type JobStore } from './jobs.ts'
import { createQueries, type QueryStore } from './queries.ts'
import { createResults, type ResultStore } from './results.ts'
import { createStore, type Store, useStore } from './store.ts'
import { createTrainings, type TrainingStore } from './training.ts'
import { initialWorkspace, reduceWorkspace, type Workspace, type WorkspaceAction } from './workspace.ts'

/** What a screen reader is told, and what is shown for a moment. */
export interface Notice {
  readonly id: number
  readonly text: string
  readonly isProblem: boolean
}

/** All state of one page: what a link holds, and what only this page knows. */
export interface Session {
  readonly workspace: Store<Workspace, WorkspaceAction>
  readonly engines: EngineStore
  readonly jobs: JobStore
  readonly results: ResultStore
  readonly queries: QueryStore
  readonly trainings: TrainingStore
  readonly notices: Store<readonly Notice[], NoticeAction>
  /** Makes a folder of this computer a model of the browser engine; gives its name. Null without that engine. */
  readonly addFolder: ((folder: DroppedFolder) => string) | null
}

export type NoticeAction =
  | { readonly kind: 'say'; readonly notice: Notice }
  | { readonly kind: 'dismiss'; readonly id: number }

/** A session with nothing in it yet. */
export function createSession(
  workspace: Workspace = initialWorkspace,
  addFolder: Session['addFolder'] = null,
): Session {
  return {
    workspace: createStore(reduceWorkspace, workspace),
    engines: createEngines(),
    jobs: createJobs(),
    results: createResults(),
    queries: createQueries(),
    trainings: createTrainings(),
    notices: createStore(reduceNotices, []),
    addFolder,
  }
}

function reduceNotices(notices: readonly Notice[], action: NoticeAction): readonly Notice[] {
  if (action.kind === 'dismiss') return notices.filter(({ id }) => id !== action.id)
  return [...notices, action.notice].slice(-3)
}

let lastId = 0
/** A number that no other job or notice of this page has. */
export const nextId = (): number => ++lastId

/** Shows a sentence for a moment. */
export function say({ notices }: Session, text: string, isProblem = false): void {
  notices.dispatch({ kind: 'say', notice: { id: nextId(), text, isProblem } })
}

export const SessionContext = createContext<Session | null>(null)

/** The session of the page. */
export function useSession(): Session {
  const session = useContext(SessionContext)
  if (!session) throw new Error('useSession outside a session')
  return session
}

/** Whether the chosen engine is there. */
export function useHasEngine(): boolean {
  const { engines } = useSession()
  const engine = useWorkspace((workspace) => workspace.engine)
  return useStore(engines, (state) => state[engine].service !== null)
}

/** Part of the workspace; it must be the same object while it did not change. */
export function useWorkspace<Selected>(select: (workspace: Workspace) => Selected): Selected {
  return useStore(useSession().workspace, select)
}
