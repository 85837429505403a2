import { Argument, Option } from 'commander'
import { type ReplacementFlags, readReplacement, replacementOptions } from '../ablation-flags.ts'
import { defineCommand } from '../command.ts'
import { wholeNumber, wholeNumbers } from '../flags.ts'
import { answerOptions, pairsOption, type QuestionFlags, readQuestions } from '../questions.ts'
import { type MethodFlags, methodOptions, runMethod, specOf } from '../run-method.ts'

type Flags = MethodFlags &
  QuestionFlags &
  ReplacementFlags & {
    readonly what?: string
    readonly layers?: readonly number[]
    readonly heads?: readonly number[]
    readonly top?: number
  }

export const ablatePairs = defineCommand<Flags>({
  name: 'ablate-pairs',
  summary: 'Which parts stand in for each other or work in series: the top parts taken out in pairs',
  arguments: [new Argument('[prompt]', 'a text, or token ids such as [46,85,40]')],
  options: [
    ...answerOptions,
    new Option('--what <what>', 'what is taken out (default: head)').choices(['head', 'mlp', 'all']),
    ...replacementOptions,
    new Option('--layers <list>', 'only these layers').argParser(wholeNumbers),
    new Option('--heads <list>', 'only these heads').argParser(wholeNumbers),
    new Option('--top <n>', 'parts that are paired with each other (default: 8)').argParser(wholeNumber(2)),
    pairsOption,
    ...methodOptions,
  ],
  details:
    'An interaction is the effect of ablating two parts less the effects of ablating each: of the same sign where they stand in for each other, of the opposite one where they work in series.',
  examples: [
    'ablate-pairs "The men who came from the city" --answer " were" --wrong " was"',
    'ablate-pairs "The men who came from the city" --answer " were" --wrong " was" --kind zero --top 5',
    'ablate-pairs "The men who came from the city" --answer " were" --wrong " was" --what mlp --json',
  ],
  run: async ([prompt], flags, session) => {
    const { what, layers, heads, top } = flags
    const parameters = { what, ...readReplacement(flags), layers, heads, top }
    return runMethod(
      await specOf('ablate_pairs', await readQuestions(prompt, flags), parameters, flags),
      flags,
      session,
    )
  },
})
