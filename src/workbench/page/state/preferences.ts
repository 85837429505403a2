import { createStore, type Store } from './store.ts'

/** What this browser remembers; no part of a link. */
export interface Preferences {
  readonly theme: 'system' | 'light' | 'dark'
  /** Whether single letters are shortcuts outside text fields. */
  readonly letterKeys: boolean
}

const STORED = 'diopter-preferences'
const usual: Preferences = { theme: 'system', letterKeys: true }

/** The preferences of this browser; each change is kept. */
export function createPreferences(): Store<Preferences, Partial<Preferences>> {
  const store = createStore<Preferences, Partial<Preferences>>((before, change) => ({ ...before, ...change }), {
    ...usual,
    ...stored(),
  })
  const show = () => {
    document.documentElement.dataset.theme = store.get().theme
  }
  show()
  store.subscribe(() => {
    show()
    try {
      localStorage.setItem(STORED, JSON.stringify(store.get()))
    } catch {
      // A browser that keeps nothing still shows the choice.
    }
  })
  return store
}

function stored(): Partial<Preferences> {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(STORED) ?? '{}')
    if (typeof kept !== 'object' || kept === null) return {}
    const { theme, letterKeys } = kept as Record<string, unknown>
    return {
      ...(theme === 'light' || theme === 'dark' || theme === 'system' ? { theme } : {}),
      ...(typeof letterKeys === 'boolean' ? { letterKeys } : {}),
    }
  } catch {
    return {}
  }
}

export const preferences = createPreferences()
