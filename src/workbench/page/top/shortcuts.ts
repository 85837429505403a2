import { useEffect } from 'react'
import { preferences } from '../state/preferences.ts'
import { type Session, useSession } from '../state/session.ts'
import { TABS } from '../state/workspace.ts'

/** The keys of the page, for its help. */
export const KEYS: readonly { readonly keys: readonly string[]; readonly does: string }[] = [
  { keys: ['?'], does: 'this help' },
  { keys: ['Ctrl', 'Enter'], does: 'run: the panel with the focus, or all open ones' },
  { keys: ['Esc'], does: 'unlock the selection, close what is open' },
  { keys: ['1', '2', '3', '4'], does: 'Read, Cause, Circuits, Train' },
  { keys: ['p'], does: 'the clean prompt' },
  { keys: ['c'], does: 'the corrupted prompt' },
  { keys: ['m'], does: 'the model' },
  { keys: ['i'], does: 'add an intervention' },
  { keys: ['j'], does: 'the jobs' },
  { keys: ['x'], does: 'cancel all that is running' },
  { keys: ['t'], does: 'light, dark or as the system' },
  { keys: ['←', '↑', '→', '↓'], does: 'move inside a picture' },
  { keys: ['Enter'], does: 'select the cell, head or token with the focus' },
]

/** What a letter presses or focuses: an element that names itself by `data-shortcut`. */
const TARGETS: Readonly<Record<string, string>> = {
  p: 'clean',
  c: 'corrupt',
  m: 'model',
  i: 'intervention',
  j: 'jobs',
  t: 'theme',
}

/** Listens to the page's keys. */
export function useShortcuts(onHelp: () => void): void {
  const session = useSession()
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.defaultPrevented) return
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
        event.preventDefault()
        return runPanels()
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || isCovered()) return
      if (event.key === 'Escape') return session.workspace.dispatch({ kind: 'select', place: null })
      if (event.key !== '?' && !preferences.get().letterKeys) return
      if (act(session, event.key, onHelp)) event.preventDefault()
    }
    document.addEventListener('keydown', listen)
    return () => document.removeEventListener('keydown', listen)
  }, [session, onHelp])
}

/** Does what a key says; gives whether it says anything. */
function act({ workspace, jobs }: Session, key: string, onHelp: () => void): boolean {
  if (key === '?') {
    onHelp()
    return true
  }
  const tab = TABS[Number(key) - 1]
  if (tab) {
    workspace.dispatch({ kind: 'showTab', tab })
    return true
  }
  if (key === 'x') {
    for (const { status, cancel } of jobs.get()) if (status === 'running') cancel()
    return true
  }
  const name = TARGETS[key]
  const target = name && document.querySelector<HTMLElement>(`[data-shortcut="${name}"]`)
  if (!target) return false
  const use = () => {
    target.focus()
    if (target instanceof HTMLButtonElement) target.click()
  }
  if (target.checkVisibility()) use()
  else {
    // On a narrow screen its pane comes first.
    const pane = target.closest('.left, .centre, .right')?.classList[0]
    document.querySelector<HTMLElement>(`[data-shows="${pane}"]`)?.click()
    requestAnimationFrame(use)
  }
  return true
}

/** Runs the panel that holds the focus, or every open one. */
function runPanels(): void {
  const own = document.activeElement?.closest<HTMLElement>('.panel')?.querySelector<HTMLFormElement>('.panel-form')
  const forms = own ? [own] : document.querySelectorAll<HTMLFormElement>('.panel-form')
  for (const form of forms) if (form.querySelector('[type=submit]:not(:disabled)')) form.requestSubmit()
}

const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLElement && target.matches('input, textarea, select, [contenteditable]')
/** Whether a dialog or menu has the keys. */
const isCovered = () => document.querySelector('[role=dialog], [role=menu], [role=listbox]') !== null
