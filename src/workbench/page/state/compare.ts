import type { RunResult } from '../../../runs/index.ts'
import { createStore, type Store } from './store.ts'

/** A result that was put aside to be compared with others. */
export interface Pin {
  /** Of its spec. */
  readonly key: string
  readonly label: string
  readonly result: RunResult
}

export interface ComparisonState {
  /** In the order of pinning. */
  readonly pins: readonly Pin[]
  readonly isOpen: boolean
}

export type ComparisonAction =
  | { readonly kind: 'pin'; readonly pin: Pin }
  | { readonly kind: 'unpin'; readonly key: string }
  | { readonly kind: 'show'; readonly isOpen: boolean }

/** The pins after an action. */
export function reduceComparison(state: ComparisonState, action: ComparisonAction): ComparisonState {
  switch (action.kind) {
    case 'pin':
      return { ...state, pins: [...state.pins.filter(({ key }) => key !== action.pin.key), action.pin] }
    case 'unpin':
      return { ...state, pins: state.pins.filter(({ key }) => key !== action.key) }
    case 'show':
      return { ...state, isOpen: action.isOpen }
  }
}

export type Comparison = Store<ComparisonState, ComparisonAction>
export const createComparison = (): Comparison => createStore(reduceComparison, { pins: [], isOpen: false })
