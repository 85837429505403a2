import { DiopterError } from '../../../errors/index.ts'
import { methodOf, type RunResult, type RunSpecInput } from '../../../runs/index.ts'
import type { RequestName, Requests, StreamEvent } from '../../service/messages.ts'
import type { Service } from '../../service/service.ts'
import { specKey } from './results.ts'
import { UNASKED_SECONDS, watchCost } from './self-run.ts'
import { nextId, type Session, say } from './session.ts'
import type { EngineName } from './workspace.ts'

/** How a job ended, where it did not give its answer. */
export class JobEnded extends Error {
  readonly status: 'cancelled' | 'failed'
  constructor(status: 'cancelled' | 'failed', message: string) {
    super(message)
    this.status = status
  }
}

/** The chosen engine. Throws with the reason where there is none. */
export function chosenService(session: Session): Service {
  const name = session.workspace.get().engine
  const { service, problem } = session.engines.get()[name]
  if (service) return service
  throw new DiopterError(`The ${engineTitle(name)} is not there. ${problem}`)
}

/** An engine's name in a sentence. */
export const engineTitle = (name: EngineName): string => (name === 'browser' ? 'browser engine' : 'Node engine')

/** Asks the chosen engine as a job that is listed, followed and can be cancelled. Throws `JobEnded` where there is no answer. */
export async function askAsJob<Name extends RequestName>(
  session: Session,
  kind: Name,
  ask: Requests[Name]['ask'],
  title: string,
  onEvent: (event: StreamEvent, job: number) => void = () => {},
  onStart: (job: number) => void = () => {},
): Promise<Requests[Name]['answer']> {
  const service = chosenService(session)
  const id = nextId()
  const controller = new AbortController()
  const start = performance.now()
  const cancel = () => controller.abort(new DiopterError('It was cancelled.'))
  session.jobs.dispatch({ kind: 'start', job: { id, title, engine: service.engine, cancel } })
  onStart(id)
  const end = (status: 'done' | 'cancelled' | 'failed', message: string | null) => {
    const seconds = (performance.now() - start) / 1000
    session.jobs.dispatch({ kind: 'end', id, status, seconds, message })
  }
  try {
    const answer = await service.ask(kind, ask, {
      signal: controller.signal,
      onEvent(event) {
        if (event.kind === 'progress') session.jobs.dispatch({ kind: 'progress', id, progress: event.progress })
        onEvent(event, id)
      },
    })
    end(controller.signal.aborted ? 'cancelled' : 'done', null)
    return answer
  } catch (error) {
    const status = controller.signal.aborted ? 'cancelled' : 'failed'
    const message = error instanceof Error ? error.message : String(error)
    end(status, message)
    throw new JobEnded(status, message)
  }
}

/** Runs a spec on the chosen engine; its result and what there is of it on the way go to the results. Gives null where there is none. */
export async function runSpecAsJob(
  session: Session,
  spec: RunSpecInput,
  {
    panel = null,
    title = methodOf(spec.method).title,
    unasked = false,
  }: { readonly panel?: string | null; readonly title?: string; readonly unasked?: boolean } = {},
): Promise<RunResult | null> {
  const key = specKey(spec)
  const { results } = session
  let job = 0
  const watch = unasked
    ? watchCost(() =>
        session.jobs
          .get()
          .find(({ id }) => id === job)
          ?.cancel(),
      )
    : null
  const onEvent = (event: StreamEvent) => {
    watch?.(event)
    if (event.kind === 'partial') results.dispatch({ kind: 'partial', key, result: event.result })
    if (event.kind === 'token') results.dispatch({ kind: 'token', key, text: event.text })
  }
  const onStart = (id: number) => {
    job = id
    results.dispatch({ kind: 'start', key, spec, job, panel, unasked })
  }
  try {
    const result = await askAsJob(session, 'run', { spec }, title, onEvent, onStart)
    results.dispatch({ kind: 'done', key, result })
    measure(session, result)
    return result
  } catch (error) {
    if (!(error instanceof JobEnded)) say(session, error instanceof Error ? error.message : String(error), true)
    else
      results.dispatch({
        kind: 'failed',
        key,
        error: error.status === 'cancelled' ? cancelledWords(unasked) : error.message,
      })
    return null
  }
}

const cancelledWords = (unasked: boolean) =>
  unasked
    ? `It began by itself and was stopped: it takes longer than ${UNASKED_SECONDS} s. Run it to have it.`
    : 'It was cancelled.'

function measure({ engines, workspace }: Session, { spec, cost, values, complete }: RunResult): void {
  if (!complete) return
  const { engine } = workspace.get()
  const what = methodOf(spec.method).title
  const { continuations } = values as { continuations?: readonly { readonly ids?: readonly number[] }[] }
  const generated = continuations?.reduce((sum, { ids }) => sum + (ids?.length ?? 0), 0)
  const tokensPerSecond = generated
    ? generated / (cost.milliseconds / 1000)
    : (engines.get()[engine].speed?.tokensPerSecond ?? null)
  engines.dispatch({ kind: 'measured', engine, speed: { what, milliseconds: cost.milliseconds, tokensPerSecond } })
}
