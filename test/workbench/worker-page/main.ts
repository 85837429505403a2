// What the tests of the page's worker load into a page: the service, and a way to ask it with plain JSON.
import { httpSource } from '../../../src/hub/web/http-source.ts'
import { toJsonText } from '../../../src/runs/result-json.ts'
import { browserAbilities } from '../../../src/workbench/browser/abilities.ts'
import { droppedFolder, pickedFolder } from '../../../src/workbench/browser/dropped-folder.ts'
import { firstResults } from '../../../src/workbench/browser/first-results.ts'
import {
  type BrowserService,
  type BrowserServiceOptions,
  createBrowserService,
} from '../../../src/workbench/browser/worker-service.ts'
import type { Requests, StreamEvent } from '../../../src/workbench/service/messages.ts'

let service: BrowserService | undefined

/** Makes the page's service anew. */
async function start(options: BrowserServiceOptions): Promise<void> {
  await service?.dispose()
  service = createBrowserService(options)
}

interface Asked {
  /** The answer as JSON text; undefined when it failed. */
  readonly answer?: string
  readonly error?: string
  readonly events: readonly StreamEvent['kind'][]
  readonly phases: readonly string[]
  /** From cancelling to the end. */
  readonly cancelledMs?: number
}

/** Asks the service; cancels at the first event of the kind `cancelAt`. */
async function ask(kind: keyof Requests, request: never, cancelAt?: StreamEvent['kind']): Promise<Asked> {
  service ??= createBrowserService()
  const controller = new AbortController()
  const events: StreamEvent['kind'][] = []
  const phases = new Set<string>()
  let cancelled: number | undefined
  const onEvent = (event: StreamEvent) => {
    if (event.kind !== events.at(-1)) events.push(event.kind)
    if (event.kind === 'progress') phases.add(event.progress.phase)
    if (event.kind !== cancelAt || cancelled !== undefined) return
    cancelled = performance.now()
    controller.abort()
  }
  const outcome = await service.ask(kind, request, { signal: controller.signal, onEvent }).then(
    (answer) => ({ answer: toJsonText(answer) }),
    (error: Error) => ({ error: error.message }),
  )
  const cancelledMs = cancelled === undefined ? undefined : performance.now() - cancelled
  return { ...outcome, events, phases: [...phases], cancelledMs }
}

const addFolder = (files: Iterable<File>): string => {
  service ??= createBrowserService()
  return service.addFolder(pickedFolder(files))
}

Object.assign(globalThis, { start, ask, addFolder, droppedFolder, firstResults, browserAbilities, httpSource })
