import { Option } from 'commander'
import { defineCommand } from '../command.ts'
import { repeatable, wholeNumbers } from '../flags.ts'
import { directionOption, type PairFlags, pairOptions, readPairs } from '../pairs.ts'
import { answerMetricOption } from '../questions.ts'
import { type MethodFlags, methodOptions, runMethod, specOf } from '../run-method.ts'

interface Flags extends MethodFlags, PairFlags {
  readonly from?: readonly string[]
  readonly to?: readonly string[]
  readonly through?: readonly string[]
  readonly together?: boolean
  readonly positions?: readonly number[]
  readonly byPosition?: boolean
  readonly direction?: string
  readonly oneDirection?: boolean
  readonly metric?: string
}

export const pathPatch = defineCommand<Flags>({
  name: 'path-patch',
  summary: 'Which connection between two parts carries a difference between two prompts (path patching)',
  options: [
    ...pairOptions,
    repeatable('--from <part>', 'a sender: all, embed, heads, mlps, or one such as L0H1 and L0MLP (default: all)'),
    repeatable(
      '--to <part>',
      'a receiver: logits, all, heads, q, k, v, mlps, or one such as L1H0, L1H0.q and L1MLP (default: logits)',
    ),
    repeatable('--through <part>', 'a part in between that may react, named as senders are (default: none)'),
    new Option('--together', 'patch all receivers at once'),
    new Option('--positions <list>', 'senders pass something on only here; -1 is the last').argParser(wholeNumbers),
    new Option('--by-position', 'every position of a sender by itself'),
    directionOption,
    new Option('--one-direction', 'leave the other direction out'),
    answerMetricOption,
    ...methodOptions,
  ],
  details:
    'The sender holds what it holds in the other prompt, all else but the mediators is held; the receiver reads that, and the rest of the run follows. Values are changes of the metric.',
  examples: [
    'path-patch --clean "The lady put on" --corrupt "The gentleman put on" --answer " her" --wrong " his"',
    'path-patch --clean "The lady put on" --corrupt "The gentleman put on" --answer " her" --wrong " his" --to mlps --to L3H0 --one-direction',
    'path-patch --clean "The lady put on" --corrupt "The gentleman put on" --answer " her" --wrong " his" --from heads --through mlps --json',
  ],
  async run(_, flags, session) {
    const { from, to, through, together, positions, byPosition, direction, oneDirection, metric } = flags
    const parameters = {
      senders: from,
      receivers: to,
      mediators: through,
      together,
      positions,
      byPosition,
      direction,
      metric,
      ...(oneDirection ? { bothDirections: false } : {}),
    }
    return runMethod(await specOf('path_patch', await readPairs(flags), parameters, flags), flags, session)
  },
})
