import { Argument, Option } from 'commander'
import { type ReplacementFlags, readReplacement, replacementOptions } from '../ablation-flags.ts'
import { defineCommand } from '../command.ts'
import { wholeNumbers } from '../flags.ts'
import { answerOptions, pairsOption, type QuestionFlags, readQuestions } from '../questions.ts'
import { type MethodFlags, methodOptions, runMethod, specOf } from '../run-method.ts'

type Flags = MethodFlags &
  QuestionFlags &
  ReplacementFlags & {
    readonly what?: string
    readonly layers?: readonly number[]
    readonly heads?: readonly number[]
  }

export const selfRepair = defineCommand<Flags>({
  name: 'self-repair',
  summary:
    'What makes up for a head or an MLP layer that is taken out: direct against total effect, and who compensates',
  arguments: [new Argument('[prompt]', 'a text, or token ids such as [46,85,40]')],
  options: [
    ...answerOptions,
    new Option('--what <what>', 'what is taken out (default: head)').choices(['head', 'mlp', 'all']),
    ...replacementOptions,
    new Option('--layers <list>', 'only these layers').argParser(wholeNumbers),
    new Option('--heads <list>', 'only these heads').argParser(wholeNumbers),

    pairsOption,
    ...methodOptions,
  ],
  details:
    'Effects are changes of the logit difference. The direct effect is what the part itself no longer writes, with the scale of the final norm held; the changes are what the others write instead.',
  examples: [
    'self-repair "The men who came from the city" --answer " were" --wrong " was"',
    'self-repair "The men who came from the city" --answer " were" --wrong " was" --what mlp --kind zero',
    'self-repair "The men who came from the city" --answer " were" --wrong " was" --kind resample --reference "The man who came from the city" --json',
  ],
  run: async ([prompt], flags, session) => {
    const { what, layers, heads } = flags
    const parameters = { what, ...readReplacement(flags), layers, heads }
    return runMethod(await specOf('self_repair', await readQuestions(prompt, flags), parameters, flags), flags, session)
  },
})
