import { Argument, Option } from 'commander'
import { readPrompt } from '../../runs/prompt-text.ts'
import { defineCommand } from '../command.ts'
import { wholeNumber } from '../flags.ts'
import { type MethodFlags, methodOptions, runMethod, specOf } from '../run-method.ts'

export const lens = defineCommand<MethodFlags & { readonly topK?: number }>({
  name: 'lens',
  summary: 'What the model would say after every layer (logit lens)',
  arguments: [new Argument('<prompt...>', 'a text, or token ids such as [46,85,40]')],
  options: [new Option('--top-k <n>', 'tokens kept per cell (default: 5)').argParser(wholeNumber(1)), ...methodOptions],
  examples: [
    'lens "Once upon a time, there was a little girl named" --model ../shared/checkpoints/stories260K',
    'lens "Once upon a time" --model ../shared/checkpoints/stories260K --edit "zero blocks.1.hook_mlp_out" --csv lens.csv',
  ],
  run: async (prompts, flags, session) =>
    runMethod(await specOf('lens', prompts.map(readPrompt), { topK: flags.topK }, flags), flags, session),
})
