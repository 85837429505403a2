import { Argument, Option } from 'commander'
import { readPrompt } from '../../runs/prompt-text.ts'
import { defineCommand } from '../command.ts'
import { repeatable, wholeNumbers } from '../flags.ts'
import { answerOptions, metricOption, pairsOption, type QuestionFlags, readQuestions } from '../questions.ts'
import { type MethodFlags, methodOptions, runMethod, specOf } from '../run-method.ts'

type Flags = MethodFlags &
  QuestionFlags & {
    readonly what?: string
    readonly kind?: string
    readonly reference?: readonly string[]
    readonly layers?: readonly number[]
    readonly heads?: readonly number[]
    readonly neurons?: readonly number[]
    readonly positions?: readonly number[]
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
    new Option('--kind <kind>', 'what stands in its place (default: mean)').choices(['zero', 'mean', 'resample']),
    repeatable(
      '--reference <prompt>',
      'a prompt that means and resampled activations come from (default: the prompt itself)',
    ),
    new Option('--layers <list>', 'only these layers').argParser(wholeNumbers),
    new Option('--heads <list>', 'only these heads').argParser(wholeNumbers),
    new Option('--neurons <list>', 'only these neurons').argParser(wholeNumbers),
    new Option('--positions <list>', 'only at these positions; -1 is the last').argParser(wholeNumbers),
    metricOption,
    pairsOption,
    ...methodOptions,
  ],
  examples: [
    'ablate "Lily was very happy. One day," --answer " she" --wrong " he" --model ../shared/checkpoints/stories260K',
    'ablate "Lily was happy." --answer " She" --what mlp --kind zero --model ../shared/checkpoints/stories260K',
  ],
  run: async ([prompt], flags, session) => {
    const { what, kind, reference, layers, heads, neurons, positions, metric } = flags
    const parameters = { what, kind, reference: reference?.map(readPrompt), layers, heads, neurons, positions, metric }
    return runMethod(await specOf('ablate', await readQuestions(prompt, flags), parameters, flags), flags, session)
  },
})
