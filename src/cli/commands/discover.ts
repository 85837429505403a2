import { Option } from 'commander'
import { defineCommand } from '../command.ts'
import { finiteNumber, wholeNumber } from '../flags.ts'
import { type PairFlags, pairOptions, readPairs } from '../pairs.ts'
import { answerMetricOption } from '../questions.ts'
import { type MethodFlags, methodOptions, runMethod, specOf } from '../run-method.ts'

interface Flags extends MethodFlags, PairFlags {
  readonly way?: string
  readonly faithfulness?: number
  readonly edges?: number
  readonly estimate?: string
  readonly steps?: number
  readonly measure?: string
  readonly threshold?: number
  readonly randomCircuits?: number
  readonly holdOut?: boolean
  readonly metric?: string
}

export const discover = defineCommand<Flags>({
  name: 'discover',
  summary: 'The connections that alone do what the model does (ACDC, EAP with a greedy search)',
  options: [
    ...pairOptions,
    new Option(
      '--way <way>',
      'gradient: take edges up by estimated effect; acdc: remove edges by exact runs (default: gradient)',
    ).choices(['gradient', 'acdc']),
    new Option('--faithfulness <share>', 'of gradient: how much of the difference it must do (default: 0.9)').argParser(
      finiteNumber,
    ),
    new Option('--edges <count>', 'of gradient: how many edges, in place of a faithfulness').argParser(wholeNumber(1)),
    new Option('--estimate <kind>', 'of gradient: eap or eap_ig (default: eap_ig)').choices(['eap', 'eap_ig']),
    new Option('--steps <count>', 'of eap_ig: how many runs (default: 5)').argParser(wholeNumber(2)),
    new Option('--measure <what>', 'of acdc: what must not change (default: kl)').choices(['kl', 'metric']),
    new Option('--threshold <x>', 'of acdc: nats of KL, or a share of the difference (default: 0.01)').argParser(
      finiteNumber,
    ),
    new Option('--random-circuits <count>', 'random circuits to compare with (default: 20)').argParser(wholeNumber(0)),
    new Option('--no-hold-out', 'find the circuit on all pairs, and test it on no others'),
    answerMetricOption,
    ...methodOptions,
  ],
  details:
    'A circuit is run on the corrupted prompt with only its edges clean. It is drawn from the input up: lines are as thick as what the circuit loses without the edge.',
  examples: [
    'discover --clean "The lady put on" --corrupt "The gentleman put on" --answer " her" --wrong " his"',
    'discover --clean "The lady put on" --corrupt "The gentleman put on" --answer " her" --wrong " his" --edges 12 --estimate eap --json',
    'discover --model induction-2l --clean "[5,17,40,23,9,31,5]" --corrupt "[5,17,40,23,9,31,40]" --answer 17 --wrong 23 --way acdc --threshold 0.05',
  ],
  async run(_, flags, session) {
    const { way, faithfulness, edges, estimate, steps, measure, threshold, randomCircuits, holdOut, metric } = flags
    const parameters = {
      ...{ way, faithfulness, edges, estimate, steps, measure, threshold, randomCircuits, metric },
      ...(holdOut === false ? { holdOut } : {}),
    }
    return runMethod(await specOf('discover', await readPairs(flags), parameters, flags), flags, session)
  },
})
