import type { PlannedEdit } from './batch-taps.ts'
import type { TokenizedPrompt } from './prompts.ts'

/** Where numbers come from: everything that is needed to repeat them. */
export interface Provenance {
  readonly model: string
  /** The repository commit, or null for files that belong to none. */
  readonly revision: string | null
  /** Exact weight processing that was asked for, in order; empty for the checkpoint's own weights. */
  readonly processing: readonly string[]
  readonly dtype: 'float32'
  readonly backend: string
  readonly seed: number | null
  /** Who decided about the first token: the tokenizer's post-processor, `prependBos`, or the caller's ids. */
  readonly startToken: string
}

/** How often an edit changed an activation. */
export interface EditReport {
  readonly hook: string
  readonly kind: string
  readonly hooks: readonly string[]
  readonly fired: number
}

export function reportEdits(edits: readonly PlannedEdit[]): EditReport[] {
  return edits.map(({ pattern, kind, hooks, fired }) => ({ hook: pattern, kind, hooks, fired }))
}

export function describeStart(prompts: readonly TokenizedPrompt[]): string {
  const sources = new Set(
    prompts.map(({ startToken }) =>
      startToken === null ? 'given as token ids' : `${startToken.token ?? 'none'} (${startToken.source})`,
    ),
  )
  return [...sources].join(', ')
}
