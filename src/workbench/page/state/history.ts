import { type Session, say } from './session.ts'
import { takeToken, tokenIn } from './token.ts'
import { readWorkspace, writeWorkspace } from './url.ts'
import { isStep } from './workspace.ts'

/** Milliseconds until a change that is no step is written: browsers limit how often the address may change. */
const QUIET = 250

/**
 * Keeps the address and the workspace the same, both ways; returns how to stop that.
 * @param token of the server's launch that the page was opened with.
 */
export function followHistory(session: Session, page: Window, token: string | null): () => void {
  const { workspace } = session
  let timer: number | undefined
  /** The fragment in the address, and that of the workspace: the address follows when typing pauses. */
  let written = page.location.hash.replace(/^#/, '')
  let current = writeWorkspace(workspace.get())

  const write = (how: 'pushState' | 'replaceState') => {
    page.clearTimeout(timer)
    timer = undefined
    if (current === written) return
    written = current
    page.history[how](null, '', addressOf(page, current))
  }
  const unsubscribe = workspace.subscribe((action) => {
    // What was typed until now belongs to the place that a step leaves.
    if (isStep(action) && timer !== undefined) write('replaceState')
    current = writeWorkspace(workspace.get())
    if (action.kind === 'restore') return
    if (isStep(action)) return write('pushState')
    page.clearTimeout(timer)
    timer = page.setTimeout(() => write('replaceState'), QUIET)
  })
  const read = () => {
    page.clearTimeout(timer)
    if (tokenIn(page.location) !== null) enterAgain(page, token, current)
    const fragment = page.location.hash.replace(/^#/, '')
    if (fragment === written) return
    written = fragment
    const link = readWorkspace(fragment)
    workspace.dispatch({ kind: 'restore', workspace: link.workspace })
    for (const problem of link.problems) say(session, problem, true)
  }
  page.addEventListener('popstate', read)
  page.addEventListener('hashchange', read)
  return () => {
    unsubscribe()
    page.clearTimeout(timer)
    page.removeEventListener('popstate', read)
    page.removeEventListener('hashchange', read)
  }
}

const addressOf = ({ location }: Window, fragment: string) =>
  `${location.pathname}${location.search}${fragment === '' ? '' : `#${fragment}`}`

/** The server's address was opened again in this tab: what is shown stays, and another launch's token starts the page anew with it. */
function enterAgain(page: Window, token: string | null, current: string): void {
  const brought = takeToken(page)
  if (page.location.hash === '') page.history.replaceState(null, '', addressOf(page, current))
  if (brought !== token) page.location.reload()
}
