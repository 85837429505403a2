import { browserAbilities } from '../../browser/abilities.ts'
import { firstResults } from '../../browser/first-results.ts'
import { createService } from '../../service/create-service.ts'
import { httpTransport } from '../../service/http-transport.ts'
import type { Service } from '../../service/service.ts'
import { fitPrompts } from './fit-prompts.ts'
import type { Session } from './session.ts'

const NO_SERVER =
  'It needs the local server: run `npm start` (or `diopter workbench`) and open the address that it prints.'

/** Finds out which engines there are, and shows the results that came with the page. */
export async function connectEngines(session: Session, browser: Service, token: string | null): Promise<void> {
  const { engines, results, queries } = session
  engines.dispatch({ kind: 'found', engine: 'browser', service: browser, gpuProblem: 'It is being looked for.' })
  queries.subscribe((action) => {
    if (action.kind === 'answered' && action.key.startsWith('open ')) fitPrompts(session)
  })
  void firstResults(document.baseURI)
    .then((found) => results.dispatch({ kind: 'give', results: [...found.values()] }))
    // A host without them has the model show the same after it is loaded.
    .catch(() => undefined)
  void browserAbilities().then(({ webGpuProblem }) =>
    engines.dispatch({ kind: 'found', engine: 'browser', service: browser, gpuProblem: webGpuProblem }),
  )
  await connectServer(session, token)
}

async function connectServer({ engines }: Session, token: string | null): Promise<void> {
  const absent = (problem: string) => engines.dispatch({ kind: 'absent', engine: 'node', problem })
  if (token === null) return absent(NO_SERVER)
  const service = createService('node', httpTransport({ token }))
  try {
    await service.ask('models', {})
    engines.dispatch({ kind: 'found', engine: 'node', service, gpuProblem: null })
  } catch (error) {
    absent(error instanceof Error ? error.message : String(error))
  }
}
