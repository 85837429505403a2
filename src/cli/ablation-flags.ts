import { Option } from 'commander'
import { readPrompt } from '../runs/prompt-text.ts'
import { repeatable, wholeNumber, wholeNumbers } from './flags.ts'

/** Flags that say what stands in the place of an ablated part. */
export interface ReplacementFlags {
  readonly kind?: string
  readonly reference?: readonly string[]
  readonly draws?: number
  readonly positions?: readonly number[]
}

/** What stands in the place of an ablated part. */
export const replacementOptions: readonly Option[] = [
  new Option('--kind <kind>', 'what stands in its place (default: mean)').choices([
    'zero',
    'mean',
    'position_mean',
    'resample',
  ]),
  repeatable(
    '--reference <prompt>',
    'a prompt that means and resampled activations come from (default: the prompt itself)',
  ),
  new Option('--draws <n>', 'other prompts that activations are resampled from (default: 3)').argParser(wholeNumber(1)),
  new Option('--positions <list>', 'only at these positions; -1 is the last').argParser(wholeNumbers),
]

/** The parameters that these flags are. */
export function readReplacement({ kind, reference, draws, positions }: ReplacementFlags) {
  return { kind, reference: reference?.map(readPrompt), draws, positions }
}
