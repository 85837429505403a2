import type { RunResult } from '../../../runs/index.ts'

/** A prompt and what the model wrote after it. */
export interface Written {
  readonly prompt: string
  readonly text: string
}

/** The texts that a result holds, where it is one of `generate`. */
export function continuationsOf({ values }: Pick<RunResult, 'values'>): Written[] {
  const { continuations } = values as {
    continuations?: readonly {
      readonly prompt: { readonly tokens: readonly string[] }
      readonly ids: readonly number[]
      readonly text: string | null
    }[]
  }
  return (continuations ?? []).map(({ prompt, ids, text }) => ({
    prompt: text === null ? `${prompt.tokens.join(' ')} ` : prompt.tokens.join(''),
    text: text ?? ids.join(' '),
  }))
}
