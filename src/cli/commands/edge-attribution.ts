import { Option } from 'commander'
import { defineCommand } from '../command.ts'
import { wholeNumber, wholeNumbers } from '../flags.ts'
import { directionOption, type PairFlags, pairOptions, readPairs } from '../pairs.ts'
import { answerMetricOption } from '../questions.ts'
import { type MethodFlags, methodOptions, runMethod, specOf } from '../run-method.ts'

interface Flags extends MethodFlags, PairFlags {
  readonly estimate?: string
  readonly steps?: number
  readonly positions?: readonly number[]
  readonly direction?: string
  readonly metric?: string
}

export const edgeAttribution = defineCommand<Flags>({
  name: 'edge-attribution',
  summary: 'All connections at once, estimated from gradients (EAP, EAP-IG)',
  options: [
    ...pairOptions,
    new Option(
      '--estimate <kind>',
      'eap: one gradient at the patched run; eap_ig: a mean over runs between both (default: eap_ig)',
    ).choices(['eap', 'eap_ig']),
    new Option('--steps <count>', 'of eap_ig: how many runs, both ends included (default: 5)').argParser(
      wholeNumber(2),
    ),
    new Option('--positions <list>', 'senders pass something on only here; -1 is the last').argParser(wholeNumbers),
    directionOption,
    answerMetricOption,
    ...methodOptions,
  ],
  examples: [
    'edge-attribution --clean "The lady put on" --corrupt "The gentleman put on" --answer " her" --wrong " his"',
    'edge-attribution --clean "The lady put on" --corrupt "The gentleman put on" --answer " her" --wrong " his" --estimate eap --json',
    'edge-attribution --clean "The lady put on" --corrupt "The gentleman put on" --answer " her" --wrong " his" --steps 20 --direction corrupted_into_clean',
  ],
  async run(_, flags, session) {
    const { estimate, steps, positions, direction, metric } = flags
    const parameters = { estimate, steps, positions, direction, metric }
    return runMethod(await specOf('edge_attribution', await readPairs(flags), parameters, flags), flags, session)
  },
})
