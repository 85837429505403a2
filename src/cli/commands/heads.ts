import { Argument, InvalidArgumentError, Option } from 'commander'
import { readPrompt } from '../../runs/prompt-text.ts'
import { defineCommand } from '../command.ts'
import { wholeNumber, wholeNumbers } from '../flags.ts'
import { type MethodFlags, methodOptions, runMethod, specOf } from '../run-method.ts'

type Flags = MethodFlags & {
  readonly examples?: number
  readonly period?: number
  readonly repeats?: number
  readonly startToken?: number | null
  readonly tokens?: readonly number[]
}

function startToken(text: string): number | null {
  if (text === 'none') return null
  const id = Number(text)
  if (text.trim() === '' || !Number.isInteger(id) || id < 0)
    throw new InvalidArgumentError('It must be a token id, or none.')
  return id
}

export const heads = defineCommand<Flags>({
  name: 'heads',
  summary: 'What each head does: previous token, induction, duplicate token, copying ...',
  arguments: [new Argument('[text...]', 'texts, or token ids such as [46,85,40], that are read beside random tokens')],
  options: [
    new Option('--examples <n>', 'sequences of random tokens (default: 10)').argParser(wholeNumber(1)),
    new Option('--period <n>', 'different tokens before the first repeat (default: 25)').argParser(wholeNumber(2)),
    new Option('--repeats <n>', 'how often the tokens come in all (default: 4)').argParser(wholeNumber(2)),
    new Option('--start-token <id>', "what stands first: a token id, or none (default: the tokenizer's)").argParser(
      startToken,
    ),
    new Option('--tokens <list>', 'token ids to draw from (default: all that are not special)').argParser(wholeNumbers),
    ...methodOptions,
  ],
  examples: [
    'heads --model ../shared/checkpoints/stories260K --examples 4',
    'heads "Once upon a time, there was a little girl." --model ../shared/checkpoints/stories260K --svg heads.svg',
  ],
  run: async (texts, { examples, period, repeats, startToken, tokens, ...flags }, session) =>
    runMethod(
      await specOf('heads', texts.map(readPrompt), { examples, period, repeats, startToken, tokens }, flags),
      flags,
      session,
    ),
})
