import type { WorkOptions } from '../errors/index.ts'
import type { Edit } from '../lab/index.ts'

/** What every method takes beside its own options. */
export interface MethodOptions extends WorkOptions {
  /** Edits that every run of the method sees: the method then describes the edited model. */
  readonly edits?: readonly Edit[]
  /** Seeds whatever is drawn at random (nulls, resamples, bootstrap); 0 unless said. */
  readonly seed?: number
  /** Overrides the start token that the tokenizer's own post-processor gives; acts on texts, not on token ids. */
  readonly prependBos?: boolean
}
