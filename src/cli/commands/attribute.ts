import { Argument, Option } from 'commander'
import { defineCommand } from '../command.ts'
import { finiteNumber } from '../flags.ts'
import { answerOptions, pairsOption, type QuestionFlags, readQuestions } from '../questions.ts'
import { type MethodFlags, methodOptions, runMethod, specOf } from '../run-method.ts'

type Flags = MethodFlags & QuestionFlags & { readonly by?: string; readonly position?: number }

export const attribute = defineCommand<Flags>({
  name: 'attribute',
  summary: 'Which components write the answer (direct logit attribution)',
  arguments: [new Argument('[prompt]', 'a text, or token ids such as [46,85,40]')],
  options: [
    ...answerOptions,
    new Option('--by <parts>', 'what the logits are split into').choices([
      'component',
      'head',
      'accumulated',
      'full',
      'neuron',
    ]),
    new Option('--position <n>', 'the position whose logits are split; -1 is the last').argParser(finiteNumber),
    pairsOption,
    ...methodOptions,
  ],
  examples: [
    'attribute "Lily was very happy. One day," --answer " she" --wrong " he" --model ../shared/checkpoints/stories260K',
    'attribute "Lily was happy." --answer " She" --wrong " He" --by head --model ../shared/checkpoints/stories260K --json',
  ],
  run: async ([prompt], flags, session) =>
    runMethod(
      await specOf('attribute', await readQuestions(prompt, flags), { by: flags.by, position: flags.position }, flags),
      flags,
      session,
    ),
})
