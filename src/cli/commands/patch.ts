import { Option } from 'commander'
import type { TokenizedPrompt } from '../../lab/index.ts'
import type { RunResult } from '../../runs/index.ts'
import { truncate, wrap } from '../../views/labels.ts'
import { defineCommand, type Session } from '../command.ts'
import { wholeNumbers } from '../flags.ts'
import { directionOption, type PairFlags, pairOptions, readPairs } from '../pairs.ts'
import { answerMetricOption } from '../questions.ts'
import { type MethodFlags, methodOptions, runMethod, specOf } from '../run-method.ts'

interface Flags extends MethodFlags, PairFlags {
  readonly what: string
  readonly by?: string
  readonly direction?: string
  readonly oneDirection?: boolean
  readonly estimate?: boolean
  readonly metric?: string
  readonly layers?: readonly number[]
  readonly positions?: readonly number[]
  readonly heads?: readonly number[]
  readonly neurons?: readonly number[]
}

const WHAT = ['resid_pre', 'resid_mid', 'resid_post', 'attn_out', 'mlp_out', 'z', 'q', 'k', 'v', 'pattern', 'neurons']

export const patch = defineCommand<Flags>({
  name: 'patch',
  summary: 'Where a difference between two prompts is carried (activation patching)',
  options: [
    ...pairOptions,
    new Option('--what <activation>', 'what is patched').choices(WHAT).default('resid_pre'),
    new Option('--by <axis>', 'what one cell covers').choices(['position', 'layer', 'head', 'head_position', 'neuron']),
    directionOption,
    new Option('--one-direction', 'leave the other direction out'),
    new Option('--estimate', 'estimate all cells from one gradient (attribution patching)'),
    new Option('--layers <list>', 'only these layers').argParser(wholeNumbers),
    new Option('--positions <list>', 'only these positions; -1 is the last').argParser(wholeNumbers),
    new Option('--heads <list>', 'only these heads').argParser(wholeNumbers),
    new Option('--neurons <list>', 'only these neurons').argParser(wholeNumbers),
    answerMetricOption,
    ...methodOptions,
  ],
  details: 'Values are raw metric values of the patched run; by default clean activations go into the corrupted run.',
  examples: [
    'patch --clean "Lily was very happy. One day," --corrupt "Tim was very happy. One day," --answer " she" --wrong " he" --model ../shared/checkpoints/stories260K',
    'patch --clean "Lily was happy." --corrupt "Tim was happy." --answer " She" --wrong " He" --what z --estimate --model ../shared/checkpoints/stories260K --json',
  ],
  async run(_, flags, session) {
    const { what, by, direction, metric, layers, positions, heads, neurons } = flags
    const pairs = await readPairs(flags)
    const shared = { what, by, layers }
    const [method, parameters] = flags.estimate
      ? (['attribution_patch', { ...shared, direction, metric, positions, heads, neurons }] as const)
      : ([
          'patch',
          {
            ...shared,
            direction,
            metric,
            positions,
            heads,
            neurons,
            ...(flags.oneDirection ? { bothDirections: false } : {}),
          },
        ] as const)
    return runMethod(await specOf(method, pairs, parameters, flags), flags, session, (result) =>
      alignmentLines(result, session),
    )
  },
})

/** How the two prompts' tokens correspond; of many pairs, the first whose lengths differ. */
async function alignmentLines({ values }: RunResult, { text }: Session): Promise<string[]> {
  const { alignPrompts } = await import('../../tokenizer/align.ts')
  const pairs = values.pairs as readonly { clean: TokenizedPrompt; corrupt: TokenizedPrompt }[]
  const alignments = pairs.map(({ clean, corrupt }) => alignPrompts(clean, corrupt))
  const shown = alignments.find(({ equalLength }) => !equalLength) ?? (pairs.length === 1 ? alignments[0] : undefined)
  const lines: string[] = []
  for (const line of (shown?.explanation ?? '').split('\n')) {
    // The rows of its table are indented and stay lines; the sentences around it flow.
    const flows = !line.startsWith(' ') && lines.length > 0 && !lines.at(-1)!.startsWith(' ')
    if (flows) lines.push(`${lines.pop()} ${line}`)
    else lines.push(line)
  }
  return lines.flatMap((line) =>
    line.startsWith(' ') ? [truncate(line, text.width, text.unicode)] : wrap(line, text.width),
  )
}
