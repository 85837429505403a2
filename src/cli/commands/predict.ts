import { Argument, Option } from 'commander'
import { readPrompt } from '../../runs/prompt-text.ts'
import { defineCommand } from '../command.ts'
import { wholeNumber } from '../flags.ts'
import { type MethodFlags, methodOptions, runMethod, specOf } from '../run-method.ts'

export const predict = defineCommand<MethodFlags & { readonly topK?: number }>({
  name: 'predict',
  summary: 'What the model expects next, and how surprised it is by every token',
  arguments: [new Argument('<prompt...>', 'a text, or token ids such as [46,85,40]')],
  options: [
    new Option('--top-k <n>', 'tokens kept per position (default: 5)').argParser(wholeNumber(1)),
    ...methodOptions,
  ],
  examples: [
    'predict "Once upon a time, there was a little girl named" --model ../shared/checkpoints/stories260K',
    'predict "Once upon a time" --top-k 10 --model ../shared/checkpoints/stories260K --svg losses.svg',
  ],
  run: async (prompts, flags, session) =>
    runMethod(await specOf('predict', prompts.map(readPrompt), { topK: flags.topK }, flags), flags, session),
})
