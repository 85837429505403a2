import { useEffect, useState } from 'react'
import type { RequestName, Requests } from '../../service/messages.ts'
import type { Answer } from './queries.ts'
import { useHasEngine, useSession } from './session.ts'
import { useStore } from './store.ts'
import { askAsJob, chosenService, JobEnded } from './work.ts'

/** An answer as it is known now. */
export interface Query<Data> {
  /** The answer, or that to the question before while this one is open; undefined while there is none at all. */
  readonly data: Data | undefined
  readonly error: string | null
  /** `data`, if any, is of the question before. */
  readonly isPending: boolean
}

export interface QueryOptions {
  /** Milliseconds that the question must stay the same before it is asked. */
  readonly delay?: number
  /** The job that it is listed as; small questions are no jobs. */
  readonly job?: string
}

const underWay = new Set<string>()

/** Asks the chosen engine a small question and remembers the answer; `ask` null asks nothing. */
export function useQuery<Name extends RequestName>(
  kind: Name,
  ask: Requests[Name]['ask'] | null,
  { delay = 0, job }: QueryOptions = {},
): Query<Requests[Name]['answer']> {
  const session = useSession()
  const engine = useStore(session.workspace, (workspace) => workspace.engine)
  const isThere = useHasEngine()
  const key = ask === null ? null : `${kind} ${engine} ${JSON.stringify(ask)}`
  const answer = useStore(session.queries, (answers) => (key === null ? undefined : answers.get(key)))
  const [last, setLast] = useState<Answer | undefined>(undefined)
  // The answer before stays to be seen while the next one comes: no flicker while typing.
  if (answer && answer !== last) setLast(answer)

  const mustAsk = isThere && key !== null && answer === undefined
  useEffect(() => {
    if (!mustAsk || key === null) return
    const start = () => {
      if (underWay.has(key)) return
      underWay.add(key)
      const question = JSON.parse(key.slice(key.indexOf('{'))) as Requests[Name]['ask']
      const asked = job ? askAsJob(session, kind, question, job) : chosenService(session).ask(kind, question)
      asked
        .then((data) => session.queries.dispatch({ kind: 'answered', key, data }))
        .catch((error: unknown) => {
          const message = error instanceof Error ? error.message : String(error)
          const said = error instanceof JobEnded && error.status === 'cancelled' ? 'It was cancelled.' : message
          session.queries.dispatch({ kind: 'failed', key, error: said })
        })
        .finally(() => underWay.delete(key))
    }
    const timer = setTimeout(start, delay)
    return () => clearTimeout(timer)
  }, [mustAsk, key, kind, job, delay, session])

  const shown = key === null ? undefined : (answer ?? last)
  return {
    data: shown?.data as Requests[Name]['answer'] | undefined,
    error: answer?.error ?? null,
    isPending: key !== null && answer === undefined,
  }
}
