import { useSyncExternalStore } from 'react'

/** State that components read and actions change: a reducer with subscribers, nothing more. */
export interface Store<State, Action> {
  get(): State
  dispatch(action: Action): void
  /** Calls back after every change; returns how to stop that. */
  subscribe(changed: (action: Action) => void): () => void
}

/** A store of `state`; the reducer returns the same object where nothing changed. */
export function createStore<State, Action>(
  reduce: (state: State, action: Action) => State,
  state: State,
): Store<State, Action> {
  const subscribers = new Set<(action: Action) => void>()
  return {
    get: () => state,
    dispatch(action) {
      const next = reduce(state, action)
      if (next === state) return
      state = next
      for (const changed of subscribers) changed(action)
    },
    subscribe(changed) {
      subscribers.add(changed)
      return () => subscribers.delete(changed)
    },
  }
}

/** What `select` reads of a store; it must give the same object while nothing it reads changed. */
export function useStore<State, Action, Selected>(
  store: Store<State, Action>,
  select: (state: State) => Selected,
): Selected {
  return useSyncExternalStore(store.subscribe, () => select(store.get()))
}
