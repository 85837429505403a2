import { agreement, agreementAcross } from './agreement.ts'
import type { TemplatedTask } from './prompt-pairs.ts'
import { quotation } from './quotation.ts'
import { repeatedName } from './repeated-name.ts'

export type { PromptPair, TemplatedTask } from './prompt-pairs.ts'

/** The templated tasks of the text model: questions with a known rule, for patching. */
export const templatedTasks: readonly TemplatedTask[] = [agreement, agreementAcross, repeatedName, quotation]
