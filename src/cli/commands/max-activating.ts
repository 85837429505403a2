import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Argument, Option } from 'commander'
import { readPrompt } from '../../runs/prompt-text.ts'
import { defineCommand } from '../command.ts'
import { systemSentence, UsageError } from '../errors.ts'
import { repeatable, wholeNumber } from '../flags.ts'
import { type MethodFlags, methodOptions, runMethod, specOf } from '../run-method.ts'

interface Flags extends MethodFlags {
  readonly text?: readonly string[]
  readonly neuron?: string
  readonly attention?: string
  readonly hook?: string
  readonly head?: number
  readonly index?: number
  readonly direction?: string
  readonly tokens?: number
  readonly sequenceLength?: number
  readonly topK?: number
  readonly perBand?: number
}

export const maxActivating = defineCommand<Flags>({
  name: 'max-activating',
  summary: 'In what text a neuron, a head or a direction is most active, and in what text it is less so',
  arguments: [new Argument('[text...]', 'texts to look in, or token ids such as [46,85,40]')],
  options: [
    repeatable('--text <path>', 'a text file to look in, or a folder of .txt and .md files'),
    new Option('--neuron <name>', 'a neuron: L2N14'),
    new Option('--attention <name>', "a head's largest attention to any token: L1H3"),
    new Option('--hook <hook>', 'any hook: blocks.1.attn.hook_result, blocks.2.hook_resid_post, ...'),
    new Option('--head <n>', 'with --hook: the head, where the hook has heads').argParser(wholeNumber(0)),
    new Option('--index <n>', 'with --hook: the entry along its last axis').argParser(wholeNumber(0)),
    new Option(
      '--direction <file>',
      'with --hook: a JSON file (or list) of numbers that its last axis is multiplied by',
    ),
    new Option('--tokens <n>', 'at most this many tokens of the texts (default: 262144)').argParser(wholeNumber(1)),
    new Option('--sequence-length <n>', 'tokens of one sequence (default: 128)').argParser(wholeNumber(2)),
    new Option('--top-k <n>', 'top examples (default: 10)').argParser(wholeNumber(1)),
    new Option('--per-band <n>', 'examples of each part below the maximum (default: 3)').argParser(wholeNumber(0)),
    ...methodOptions,
  ],
  details:
    'Files are read one after the other, in batches; Ctrl-C keeps what was read. The shortest end of the context that keeps 80 % of a top activation is found by running it alone.',
  examples: [
    'max-activating "The lady put on her hat." "He said that she was gone." --neuron L1N3 --per-band 1',
    'max-activating --text ../shared/README.md --attention L1H3 --tokens 4096 --top-k 4 --per-band 1',
    'max-activating --text ../shared/README.md --hook blocks.2.hook_resid_post --index 7 --tokens 4096 --json',
  ],
  async run(texts, flags, session) {
    const { text, tokens, sequenceLength, topK, perBand } = flags
    if (texts.length === 0 && text === undefined)
      throw new UsageError('Give texts to look in, or --text FILE (or a folder).')
    const files = text && (await Promise.all(text.map(filesOf))).flat()
    const parameters = { ...targetOf(flags), files, tokens, sequenceLength, topK, perBand }
    return runMethod(await specOf('max_activating', texts.map(readPrompt), parameters, flags), flags, session)
  },
})

function targetOf({ neuron, attention, hook, head, index, direction }: Flags) {
  if ([neuron, attention, hook].filter((given) => given !== undefined).length !== 1)
    throw new UsageError('Say what is looked for: one of --neuron L2N14, --attention L1H3 and --hook HOOK.')
  if (hook !== undefined) return { hook, head, index, direction }
  if (head !== undefined || index !== undefined || direction !== undefined)
    throw new UsageError('--head, --index and --direction belong to --hook.')
  const [, layer, kind, number] = /^L(\d+)([NH])(\d+)$/.exec((neuron ?? attention)!) ?? []
  if (kind !== (neuron === undefined ? 'H' : 'N'))
    throw new UsageError(
      neuron === undefined
        ? `--attention takes a head such as L1H3; it got "${attention}".`
        : `--neuron takes a neuron such as L2N14; it got "${neuron}".`,
    )
  return kind === 'N'
    ? { hook: `blocks.${layer}.mlp.hook_post`, index: Number(number) }
    : { hook: `blocks.${layer}.attn.hook_pattern`, head: Number(number) }
}

/** The file, or the texts of the folder and those in it, in order. */
async function filesOf(path: string): Promise<string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path]
    const names = await readdir(path, { recursive: true })
    const texts = names.filter((name) => /\.(txt|md)$/i.test(name)).sort()
    if (texts.length === 0) throw new UsageError(`The folder ${path} holds no .txt or .md files.`)
    return texts.map((name) => join(path, name))
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`Cannot read ${systemSentence(error as NodeJS.ErrnoException, path)}`)
  }
}
