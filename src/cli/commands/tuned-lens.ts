import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Argument, Option } from 'commander'
import type { RunResult } from '../../runs/index.ts'
import { readPrompt } from '../../runs/prompt-text.ts'
import { defineCommand, type Session } from '../command.ts'
import { UsageError } from '../errors.ts'
import { readTextFile } from '../files.ts'
import { finiteNumber, repeatable, wholeNumber } from '../flags.ts'
import { carryOut, finish, type MethodFlags, methodOptions, specOf, writeSpec } from '../run-method.ts'
import { checkOutputs, showResult } from '../show.ts'

type Flags = MethodFlags & {
  readonly text?: readonly string[]
  readonly tokens?: number
  readonly sequenceLength?: number
  readonly steps?: number
  readonly tokensPerStep?: number
  readonly learningRate?: number
  readonly weightDecay?: number
  readonly control: boolean
  readonly lens?: string
  readonly save?: string
  readonly topK?: number
}

export const tunedLens = defineCommand<Flags>({
  name: 'tuned-lens',
  summary: 'What the model would say after every layer, through trained translators (tuned lens)',
  arguments: [new Argument('[prompt...]', 'a text, or token ids such as [46,85,40]')],
  options: [
    repeatable('--text <file>', "a text file to train on (default: the model's own samples)"),
    new Option('--tokens <n>', 'at most this many tokens of the texts (default: 16384)').argParser(wholeNumber(2)),
    new Option('--sequence-length <n>', 'tokens of one sequence (default: 128)').argParser(wholeNumber(2)),
    new Option('--steps <n>', 'training steps (default: 250)').argParser(wholeNumber(1)),
    new Option('--tokens-per-step <n>', 'tokens of one step (default: 256)').argParser(wholeNumber(1)),
    new Option('--learning-rate <rate>', "Adam's largest rate (default: 0.003)").argParser(finiteNumber),
    new Option('--weight-decay <rate>', 'pull towards the identity (default: 0.001)').argParser(finiteNumber),
    new Option('--no-control', 'train no second lens on shuffled targets'),
    new Option('--lens <folder>', 'use a saved lens, and train nothing'),
    new Option('--save <folder>', 'save the trained lens: lens.safetensors and lens.json'),
    new Option('--top-k <n>', 'tokens kept per cell (default: 5)').argParser(wholeNumber(1)),
    ...methodOptions,
  ],
  details:
    'Ctrl-C ends the training: what was fitted so far is shown and saved. Of a long text as much is read as the tokens can need.',
  examples: [
    'tuned-lens "Once upon a time, there was" --model ../shared/checkpoints/stories260K --steps 20 --tokens 2048 --save .runs/lens',
    'tuned-lens "Once upon a time, there was" --model ../shared/checkpoints/stories260K --lens .runs/lens --tokens 2048 --svg lens.svg',
  ],
  async run(prompts, flags, session) {
    const { text, save, lens, control, tokens, sequenceLength, steps, tokensPerStep, learningRate, weightDecay, topK } =
      flags
    if (save !== undefined && lens !== undefined)
      throw new UsageError('--lens uses a lens that is saved already; leave out --save.')
    await checkOutputs(flags, flags.spec)
    if (save !== undefined) await mkdir(save, { recursive: true })
    const parameters = {
      texts: text && (await Promise.all(text.map((path) => readPart(path, tokens ?? 16_384, session)))),
      tokens,
      sequenceLength,
      steps,
      tokensPerStep,
      learningRate,
      weightDecay,
      control: control ? undefined : false,
      lens,
      keepTranslators: save === undefined ? undefined : true,
      topK,
    }
    const result = await carryOut(
      await specOf('tuned_lens', prompts.map(readPrompt), parameters, flags),
      flags,
      session,
    )
    if (save !== undefined) await writeLens(save, result, session)
    await showResult(result, flags, session)
    await writeSpec(flags.spec, result, session)
    return finish(result, session)
  },
})

/** No tokenizer makes one token of so many characters of ordinary text. */
const CHARACTERS_PER_TOKEN = 8

async function readPart(path: string, tokens: number, session: Session): Promise<string> {
  const text = await readTextFile(path)
  const most = tokens * CHARACTERS_PER_TOKEN
  if (text.length <= most) return text
  session.note(`Of ${path} the first ${most} of ${text.length} characters are read; --tokens asks for more.`)
  return text.slice(0, most)
}

async function writeLens(folder: string, { values, provenance }: RunResult, session: Session): Promise<void> {
  const { LENS_FILES, saveLens, trainedLens } = await import('../../methods/index.ts')
  const files = saveLens(trainedLens(provenance, values as never))
  await writeFile(join(folder, LENS_FILES.translators), files.translators)
  await writeFile(join(folder, LENS_FILES.card), files.card)
  session.note(`Wrote the lens in ${folder}; --lens ${folder} uses it again.`)
}
