import { createStore, type Store } from './store.ts'

/** A small question and what is known of its answer: tokens of a text, the models there are, the opened model. */
export interface Answer {
  readonly data: unknown
  readonly error: string | null
}

export type QueryAction =
  | { readonly kind: 'answered'; readonly key: string; readonly data: unknown }
  | { readonly kind: 'failed'; readonly key: string; readonly error: string }
  /** To be asked again. */
  | { readonly kind: 'forget'; readonly startsWith: string }

type Answers = ReadonlyMap<string, Answer>

/** The answers after an action. */
export function reduceQueries(answers: Answers, action: QueryAction): Answers {
  switch (action.kind) {
    case 'answered':
      return new Map(answers).set(action.key, { data: action.data, error: null })
    case 'failed':
      return new Map(answers).set(action.key, { data: undefined, error: action.error })
    case 'forget':
      return new Map([...answers].filter(([key]) => !key.startsWith(action.startsWith)))
  }
}

export type QueryStore = Store<Answers, QueryAction>
export const createQueries = (): QueryStore => createStore(reduceQueries, new Map() as Answers)
