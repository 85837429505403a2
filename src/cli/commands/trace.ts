import { Option } from 'commander'
import type { TracedJson } from '../../runs/index.ts'
import { readPrompt } from '../../runs/prompt-text.ts'
import { defineCommand } from '../command.ts'
import { UsageError } from '../errors.ts'
import { readJsonLines } from '../files.ts'
import { finiteNumber, repeatable, wholeNumber, wholeNumbers } from '../flags.ts'
import type { PairFlags } from '../pairs.ts'
import { parseToken, recordOf } from '../prompts.ts'
import { answerOptions } from '../questions.ts'
import { type MethodFlags, methodOptions, runMethod, specOf } from '../run-method.ts'

interface Flags extends MethodFlags, PairFlags {
  readonly subject?: string
  readonly corruption?: string
  readonly noise?: number
  readonly draws?: number
  readonly state?: readonly string[]
  readonly window?: number
  readonly severed?: boolean
  readonly measure?: string
  readonly layers?: readonly number[]
}

export const trace = defineCommand<Flags>({
  name: 'trace',
  summary: 'Which states carry a fact from its subject to the answer, with the subject corrupted (causal tracing)',
  options: [
    new Option('--clean <prompt>', 'the prompt that has the answer'),
    new Option('--subject <text>', 'the part of it that is corrupted (default: what differs from --corrupt)'),
    new Option('--corrupt <prompt>', 'the same about another subject, of as many tokens'),
    ...answerOptions,
    new Option('--corruption <how>', 'what corrupts the subject (default: noise)').choices(['noise', 'replacement']),
    new Option('--noise <n>', "standard deviations of the subject's embeddings (default: 3)").argParser(finiteNumber),
    new Option('--draws <n>', 'draws of the noise (default: 3)').argParser(wholeNumber(1)),
    repeatable('--state <state>', 'what is restored: resid, mlp or attn (default: all)'),
    new Option('--window <n>', 'layers of mlp or attn that are restored together (default: a fifth)').argParser(
      wholeNumber(1),
    ),
    new Option('--severed', 'also restore the residual stream with later mlp, and later attn layers held as corrupted'),
    new Option('--measure <measure>', 'what effects are changes of (default: probability)').choices([
      'probability',
      'logit_difference',
    ]),
    new Option('--layers <list>', 'only these layers').argParser(wholeNumbers),
    new Option('--pairs <file>', 'many at once: JSON lines of {"clean", "corrupt", "subject", "answer", "wrong"}'),
    ...methodOptions,
  ],
  details:
    'An indirect effect is what restoring one state of the clean run brings back of the measure that the corruption took. Without an answer, what the model finds most likely is traced.',
  examples: [
    'trace --clean "The lady put on" --subject "lady" --answer " her"',
    'trace --clean "The lady put on" --corrupt "The man put on" --answer " her" --wrong " his" --corruption replacement --measure logit_difference',
    'trace --clean "The lady put on" --corrupt "The man put on" --answer " her" --wrong " his" --severed --state resid --json',
  ],
  async run(_, flags, session) {
    const { subject, corruption, noise, draws, state, window, severed, measure, layers } = flags
    const parameters = { subject, corruption, noise, draws, states: state, window, severed, measure, layers }
    return runMethod(await specOf('causal_trace', await tracedPrompts(flags), parameters, flags), flags, session)
  },
})

/** The prompt of the flags, or those of `--pairs`. */
async function tracedPrompts({ pairs, clean, corrupt, answer, wrong }: Flags): Promise<TracedJson[]> {
  if (pairs !== undefined) {
    if (clean !== undefined || corrupt !== undefined || answer !== undefined || wrong !== undefined)
      throw new UsageError('--pairs holds prompts and answers: leave out --clean, --corrupt, --answer and --wrong.')
    const lines = await readJsonLines(pairs)
    return lines.map((line, i) => recordOf(line, `${pairs}, entry ${i + 1}`) as unknown as TracedJson)
  }
  if (clean === undefined)
    throw new UsageError('Tracing needs --clean (with --subject, or --corrupt), or --pairs FILE.jsonl.')
  const prompt = readPrompt(clean)
  return [
    {
      clean: prompt,
      ...(corrupt === undefined ? {} : { corrupt: readPrompt(corrupt) }),
      ...(answer === undefined ? {} : { answer: parseToken(answer, prompt) }),
      ...(wrong === undefined ? {} : { wrong: parseToken(wrong, prompt) }),
    },
  ]
}
