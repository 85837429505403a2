import type { LogEntry, TrainingConfig } from '../../../train/index.ts'
import { backendOf } from './engines.ts'
import type { Session } from './session.ts'
import { createStore, type Store } from './store.ts'
import { askAsJob, JobEnded } from './work.ts'

/** A training of this page. */
export interface TrainingRun {
  /** The job that trains; null when it has ended. */
  readonly job: number | null
  readonly log: readonly LogEntry[]
  readonly error: string | null
  /** Seconds of computing, when it has ended. */
  readonly seconds: number | null
}

export type TrainingAction =
  | { readonly kind: 'start'; readonly name: string; readonly job: number }
  | { readonly kind: 'log'; readonly name: string; readonly entries: readonly LogEntry[] }
  | { readonly kind: 'end'; readonly name: string; readonly seconds: number | null; readonly error: string | null }

const NOTHING: TrainingRun = { job: null, log: [], error: null, seconds: null }

type Runs = ReadonlyMap<string, TrainingRun>

/** The trainings after an action, by recipe. */
export function reduceTrainings(runs: Runs, action: TrainingAction): Runs {
  if (action.kind === 'start') return new Map(runs).set(action.name, { ...NOTHING, job: action.job })
  const before = runs.get(action.name) ?? NOTHING
  if (action.kind === 'log')
    return new Map(runs).set(action.name, { ...before, log: [...before.log, ...action.entries] })
  const { seconds, error } = action
  return new Map(runs).set(action.name, { ...before, job: null, seconds, error })
}

export type TrainingStore = Store<Runs, TrainingAction>
export const createTrainings = (): TrainingStore => createStore(reduceTrainings, new Map() as Runs)

/** Trains on the chosen engine; the log goes to the trainings as it comes. */
export async function trainAsJob(
  session: Session,
  name: string,
  title: string,
  training: TrainingConfig,
): Promise<void> {
  const { trainings, workspace } = session
  try {
    const { seconds } = await askAsJob(
      session,
      'train',
      { training, backend: backendOf(workspace.get()) },
      `Train: ${title}`,
      (event) => {
        if (event.kind === 'log') trainings.dispatch({ kind: 'log', name, entries: event.entries })
      },
      (job) => trainings.dispatch({ kind: 'start', name, job }),
    )
    trainings.dispatch({ kind: 'end', name, seconds, error: null })
  } catch (error) {
    const said = error instanceof JobEnded && error.status === 'cancelled' ? null : (error as Error).message
    trainings.dispatch({ kind: 'end', name, seconds: null, error: said })
  }
}
