import type { WorkOptions } from '../../errors/index.ts'
import type { Edit } from '../../lab/index.ts'
import type { MethodResult } from './result.ts'

/** What every method takes beside its own options. */
export interface MethodOptions extends WorkOptions {
  /** Edits that every run of the method sees: the method then describes the edited model. */
  readonly edits?: readonly Edit[]
  /** Seeds whatever is drawn at random (nulls, resamples, bootstrap); 0 unless said. */
  readonly seed?: number
  /** Overrides the start token that the tokenizer's own post-processor gives; acts on texts, not on token ids. */
  readonly prependBos?: boolean
  /**
   * Gives the result so far whenever more of it is computed, as a cancelled run would give it: values that are not done are
   * null, or their prompts are missing, and checks are not tested. Sweeps then run in smaller batches.
   */
  readonly onPartial?: ((result: MethodResult<object>) => void) | undefined
}
