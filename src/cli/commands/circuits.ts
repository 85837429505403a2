import { Argument, Option } from 'commander'
import { readPrompt } from '../../runs/prompt-text.ts'
import { defineCommand } from '../command.ts'
import { wholeNumber, wholeNumbers } from '../flags.ts'
import { type MethodFlags, methodOptions, runMethod, specOf } from '../run-method.ts'

type Flags = MethodFlags & {
  readonly layers?: readonly number[]
  readonly heads?: readonly number[]
  readonly embedding?: string
  readonly distance?: number
  readonly directions?: number
  readonly topK?: number
}

export const circuits = defineCommand<Flags>({
  name: 'circuits',
  summary: 'What each head looks for and writes, and which heads read each other, from the weights',
  arguments: [new Argument('[text...]', 'texts, or token ids such as [46,85,40], whose tokens are compared in pairs')],
  options: [
    new Option('--layers <list>', 'only these layers').argParser(wholeNumbers),
    new Option('--heads <list>', 'only these heads').argParser(wholeNumbers),
    new Option('--embedding <what>', 'what stands for a token (default: direct)').choices(['direct', 'mlp0']),
    new Option('--distance <n>', 'positions from key to query, for rotary models (default: 0)').argParser(
      wholeNumber(0),
    ),
    new Option('--directions <n>', 'singular directions per circuit (default: 3)').argParser(wholeNumber(1)),
    new Option('--top-k <n>', 'tokens at each end of a direction (default: 5)').argParser(wholeNumber(1)),
    ...methodOptions,
  ],
  examples: [
    'circuits --model ../shared/checkpoints/stories260K --layers 0',
    'circuits "he she him her" --model ../shared/checkpoints/stories260K --layers 4 --embedding mlp0 --svg circuits.svg',
  ],
  run: async (texts, { layers, heads, embedding, distance, directions, topK, ...flags }, session) =>
    runMethod(
      await specOf('circuits', texts.map(readPrompt), { layers, heads, embedding, distance, directions, topK }, flags),
      flags,
      session,
    ),
})
