import type { Progress } from '../../../errors/index.ts'
import { createStore, type Store } from './store.ts'
import type { EngineName } from './workspace.ts'

export type JobStatus = 'running' | 'done' | 'cancelled' | 'failed'

/** Work that a person waits for. */
export interface Job {
  readonly id: number
  readonly title: string
  readonly engine: EngineName
  readonly status: JobStatus
  readonly progress: Progress | null
  readonly seconds: number | null
  /** Why it failed, or was cancelled. */
  readonly message: string | null
  readonly cancel: () => void
}

export type JobAction =
  | { readonly kind: 'start'; readonly job: Pick<Job, 'id' | 'title' | 'engine' | 'cancel'> }
  | { readonly kind: 'progress'; readonly id: number; readonly progress: Progress }
  | {
      readonly kind: 'end'
      readonly id: number
      readonly status: Exclude<JobStatus, 'running'>
      readonly seconds: number
      readonly message: string | null
    }
  | { readonly kind: 'forgetEnded' }

/** Jobs that ended and are still listed. */
const REMEMBERED = 30

/** The jobs after an action; the newest comes first. */
export function reduceJobs(jobs: readonly Job[], action: JobAction): readonly Job[] {
  switch (action.kind) {
    case 'start': {
      const started: Job = { ...action.job, status: 'running', progress: null, seconds: null, message: null }
      return [started, ...jobs].filter(({ status }, place) => status === 'running' || place <= REMEMBERED)
    }
    case 'progress':
      return jobs.map((job) => (job.id === action.id ? { ...job, progress: action.progress } : job))
    case 'end': {
      const { id, status, seconds, message } = action
      return jobs.map((job) => (job.id === id ? { ...job, status, seconds, message } : job))
    }
    case 'forgetEnded':
      return jobs.filter(({ status }) => status === 'running')
  }
}

export type JobStore = Store<readonly Job[], JobAction>
export const createJobs = (): JobStore => createStore(reduceJobs, [])
