import { Argument, Option } from 'commander'
import { defineCommand } from '../command.ts'
import { UsageError } from '../errors.ts'
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
    new Option('--by <parts>', 'what the logits are split into (default: component)').choices([
      'component',
      'head',
      'accumulated',
      'full',
      'neuron',
    ]),
    new Option('--position <n>', 'the position whose logits are split (default: -1, the last)').argParser(finiteNumber),
    pairsOption,
    ...methodOptions,
  ],
  examples: [
    'attribute "Lily was very happy. One day," --answer " she" --wrong " he" --model ../shared/checkpoints/stories260K',
    'attribute "Lily was happy." --answer " She" --wrong " He" --by head --model ../shared/checkpoints/stories260K --json',
  ],
  async run([prompt], flags, session) {
    const questions = await readQuestions(prompt, flags)
    if (flags.pairs === undefined && flags.answer === undefined)
      throw new UsageError('The logit of which token? Give --answer " token" (and --wrong, to split a difference).')
    const { by, position } = flags
    return runMethod(await specOf('attribute', questions, { by, position }, flags), flags, session)
  },
})
