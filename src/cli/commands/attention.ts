import { Argument, Option } from 'commander'
import { readPrompt } from '../../runs/prompt-text.ts'
import { defineCommand } from '../command.ts'
import { wholeNumbers } from '../flags.ts'
import { type MethodFlags, methodOptions, runMethod, specOf } from '../run-method.ts'

type Flags = MethodFlags & { readonly layers?: readonly number[]; readonly heads?: readonly number[] }

export const attention = defineCommand<Flags>({
  name: 'attention',
  summary: 'Attention patterns, and what each head mostly looks at',
  arguments: [new Argument('<prompt...>', 'a text, or token ids such as [46,85,40]')],
  options: [
    new Option('--layers <list>', 'only these layers, such as 0,4').argParser(wholeNumbers),
    new Option('--heads <list>', 'only these heads').argParser(wholeNumbers),
    ...methodOptions,
  ],
  examples: [
    'attention "Once upon a time, there was a little girl" --model ../shared/checkpoints/stories260K',
    'attention "Once upon a time" --layers 0 --heads 3 --model ../shared/checkpoints/stories260K --svg head.svg',
  ],
  run: async (prompts, flags, session) =>
    runMethod(
      await specOf('attention', prompts.map(readPrompt), { layers: flags.layers, heads: flags.heads }, flags),
      flags,
      session,
    ),
})
