import { Option } from 'commander'
import type { PairJson } from '../runs/index.ts'
import { readPrompt } from '../runs/prompt-text.ts'
import { UsageError } from './errors.ts'
import { readJsonLines } from './files.ts'
import { parseToken, recordOf } from './prompts.ts'
import { answerOptions, pairsOption } from './questions.ts'

/** Flags that name pairs of prompts. */
export interface PairFlags {
  readonly clean?: string
  readonly corrupt?: string
  readonly answer?: string
  readonly wrong?: string
  readonly pairs?: string
}

/** Two prompts with what answers the first, or a file of many. */
export const pairOptions: readonly Option[] = [
  new Option('--clean <prompt>', 'the prompt that has the answer'),
  new Option('--corrupt <prompt>', 'the prompt that differs in what matters'),
  ...answerOptions,
  pairsOption,
]

/** Whose activations go into whose run. */
export const directionOption = new Option(
  '--direction <direction>',
  'whose activations go into whose run (default: clean_into_corrupted)',
).choices(['clean_into_corrupted', 'corrupted_into_clean'])

/** The pair of the flags, or those of `--pairs`. Throws a usage error for half a pair, and for both. */
export async function readPairs({ pairs, clean, corrupt, answer, wrong }: PairFlags): Promise<PairJson[]> {
  if (pairs !== undefined) {
    if (clean !== undefined || corrupt !== undefined || answer !== undefined || wrong !== undefined)
      throw new UsageError('--pairs holds prompts and answers: leave out --clean, --corrupt, --answer and --wrong.')
    const lines = await readJsonLines(pairs)
    return lines.map((line, i) => recordOf(line, `${pairs}, entry ${i + 1}`) as unknown as PairJson)
  }
  if (clean === undefined || corrupt === undefined || answer === undefined)
    throw new UsageError(
      'Patching needs --clean, --corrupt and --answer (and --wrong for a logit difference), or --pairs FILE.jsonl.',
    )
  const prompt = readPrompt(clean)
  return [
    {
      clean: prompt,
      corrupt: readPrompt(corrupt),
      answer: parseToken(answer, prompt),
      ...(wrong === undefined ? {} : { wrong: parseToken(wrong, prompt) }),
    },
  ]
}
