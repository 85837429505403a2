import { Option } from 'commander'
import type { QuestionJson } from '../runs/index.ts'
import { readPrompt } from '../runs/prompt-text.ts'
import { UsageError } from './errors.ts'
import { readJsonLines } from './files.ts'
import { parseToken, recordOf } from './prompts.ts'

export interface QuestionFlags {
  readonly answer?: string
  readonly wrong?: string
  readonly pairs?: string
}

export const answerOptions: readonly Option[] = [
  new Option('--answer <token>', 'the right next token, exactly as typed: " Mary" with its space'),
  new Option('--wrong <token>', 'the token it is compared with'),
]

const ANSWER_METRICS = ['logit_difference', 'logit', 'log_probability']

/** What is measured about an answer. */
export const answerMetricOption = new Option('--metric <metric>', 'what is measured at the end of the prompt').choices(
  ANSWER_METRICS,
)

/** That, or the loss, which needs no answer. */
export const metricOption = new Option(
  '--metric <metric>',
  'what is measured (loss: over the whole prompt, the others at its end)',
).choices([...ANSWER_METRICS, 'loss'])

export const pairsOption = new Option(
  '--pairs <file>',
  'many at once: JSON lines of {"clean", "corrupt", "answer", "wrong"}',
)

/** The prompt with its answers, or those of `--pairs`: of pairs the clean prompt, and `{"prompt", "answer", "wrong"}` as it is. */
export async function readQuestions(
  prompt: string | undefined,
  { answer, wrong, pairs }: QuestionFlags,
): Promise<QuestionJson[]> {
  if (pairs === undefined) {
    if (prompt === undefined) throw new UsageError('Give a prompt, or --pairs FILE.jsonl.')
    const parsed = readPrompt(prompt)
    return [
      {
        prompt: parsed,
        ...(answer === undefined ? {} : { answer: parseToken(answer, parsed) }),
        ...(wrong === undefined ? {} : { wrong: parseToken(wrong, parsed) }),
      },
    ]
  }
  if (prompt !== undefined || answer !== undefined || wrong !== undefined)
    throw new UsageError('--pairs holds prompts and answers: leave out the prompt, --answer and --wrong.')
  const lines = await readJsonLines(pairs)
  return lines.map((line, i) => {
    const { clean, corrupt: _, ...rest } = recordOf(line, `${pairs}, entry ${i + 1}`)
    return (clean === undefined ? rest : { prompt: clean, ...rest }) as unknown as QuestionJson
  })
}
