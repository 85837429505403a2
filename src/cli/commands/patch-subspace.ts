import { Option } from 'commander'
import { defineCommand } from '../command.ts'
import { UsageError } from '../errors.ts'
import { readJsonFile } from '../files.ts'
import { wholeNumber, wholeNumbers } from '../flags.ts'
import { type PairFlags, pairOptions, readPairs } from '../pairs.ts'
import { answerMetricOption } from '../questions.ts'
import { type MethodFlags, methodOptions, runMethod, specOf } from '../run-method.ts'

interface Flags extends MethodFlags, PairFlags {
  readonly what: string
  readonly subspace?: string
  readonly dimensions?: number
  readonly directions?: string
  readonly metric?: string
  readonly layers?: readonly number[]
  readonly heads?: readonly number[]
  readonly positions?: readonly number[]
}

const WHAT = ['resid_pre', 'resid_mid', 'resid_post', 'attn_out', 'mlp_out', 'z', 'neurons']

export const patchSubspace = defineCommand<Flags>({
  name: 'patch-subspace',
  summary: 'Whether one direction carries a difference between two prompts, or a patch only makes it seem so',
  options: [
    ...pairOptions,
    new Option('--what <activation>', 'whose subspace is exchanged').choices(WHAT).default('resid_post'),
    new Option('--subspace <source>', 'where it comes from (default: difference)').choices(['difference', 'search']),
    new Option('--dimensions <n>', 'how many directions a search has (default: 1)').argParser(wholeNumber(1)),
    new Option('--directions <file>', 'the subspace itself: JSON, a list of numbers or several such lists'),
    new Option('--layers <list>', 'only these layers').argParser(wholeNumbers),
    new Option('--heads <list>', 'only these heads, for z').argParser(wholeNumbers),
    new Option('--positions <list>', 'only these positions; -1 is the last').argParser(wholeNumbers),
    answerMetricOption,
    ...methodOptions,
  ],
  details:
    'Values are shares of the difference between the runs: of the subspace alone, of its part that the next weight reads, of all but the subspace, and of the whole activation.',
  examples: [
    'patch-subspace --clean "The lady put on" --corrupt "The gentleman put on" --answer " her" --wrong " his"',
    'patch-subspace --clean "The lady put on" --corrupt "The gentleman put on" --answer " her" --wrong " his" --what neurons --subspace search --layers 3 --json',
  ],
  async run(_, flags, session) {
    const { what, subspace, dimensions, metric, layers, heads, positions } = flags
    const directions = flags.directions === undefined ? undefined : await readDirections(flags.directions)
    const parameters = { what, subspace, dimensions, directions, metric, layers, heads, positions }
    return runMethod(await specOf('patch_subspace', await readPairs(flags), parameters, flags), flags, session)
  },
})

/** One direction, or several. */
async function readDirections(path: string): Promise<unknown[][]> {
  const given = await readJsonFile(path)
  if (!Array.isArray(given)) throw new UsageError(`${path} holds no list of numbers and no lists of numbers.`)
  return given.every(Array.isArray) ? given : [given]
}
