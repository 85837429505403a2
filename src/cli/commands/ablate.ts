import { Argument, Option } from 'commander'
import { type ReplacementFlags, readReplacement, replacementOptions } from '../ablation-flags.ts'
import { defineCommand } from '../command.ts'
import { wholeNumbers } from '../flags.ts'
import { answerOptions, metricOption, pairsOption, type QuestionFlags, readQuestions } from '../questions.ts'
import { type MethodFlags, methodOptions, runMethod, specOf } from '../run-method.ts'

type Flags = MethodFlags &
  QuestionFlags &
  ReplacementFlags & {
    readonly what?: string
    readonly layers?: readonly number[]
    readonly heads?: readonly number[]
    readonly neurons?: readonly number[]
    readonly metric?: string
  }

export const ablate = defineCommand<Flags>({
  name: 'ablate',
  summary: 'What breaks when a head, a layer or a neuron is taken out',
  arguments: [new Argument('[prompt]', 'a text, or token ids such as [46,85,40]')],
  options: [
    ...answerOptions,
    new Option('--what <what>', 'what is taken out, one at a time (default: head)').choices([
      'head',
      'attn',
      'mlp',
      'neuron',
    ]),
    ...replacementOptions,
    new Option('--layers <list>', 'only these layers').argParser(wholeNumbers),
    new Option('--heads <list>', 'only these heads').argParser(wholeNumbers),
    new Option('--neurons <list>', 'only these neurons').argParser(wholeNumbers),
    metricOption,
    pairsOption,
    ...methodOptions,
  ],
  examples: [
    'ablate "Lily was very happy. One day," --answer " she" --wrong " he" --model ../shared/checkpoints/stories260K',
    'ablate "Lily was happy." --answer " She" --what mlp --kind zero --model ../shared/checkpoints/stories260K',
  ],
  run: async ([prompt], flags, session) => {
    const { what, layers, heads, neurons, metric } = flags
    const parameters = { what, ...readReplacement(flags), layers, heads, neurons, metric }
    return runMethod(await specOf('ablate', await readQuestions(prompt, flags), parameters, flags), flags, session)
  },
})
