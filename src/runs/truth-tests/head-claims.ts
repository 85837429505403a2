import { type CircuitValues, FOUND_BEYOND_NULL, type HeadDetectorValues, writesToLogits } from '../../methods/index.ts'
import { type CompiledModel, edgeName } from '../../models/compiled/index.ts'
import type { Claim, MethodClaims } from './claims.ts'

// What methods about heads claim: the jobs that detectors find, and what weights say.

/** The jobs of roles, where detectors know them. */
const JOBS: Readonly<Record<string, string>> = {
  'previous token': 'previous',
  marks: 'previous',
  induction: 'induction',
}

/** Of the jobs that heads are found to do, those that heads are built for (or, duplicate, that none is). */
const CLAIMED: readonly string[] = ['previous', 'duplicate', 'induction']

const certain = (name: string): Claim => ({ name, share: null })

/** What the head detectors claim. */
export const headClaims: MethodClaims<HeadDetectorValues> = {
  claims: `previous-token, duplicate-token and induction heads: those that are found, ${FOUND_BEYOND_NULL} beyond the null with the whole interval`,
  truth: 'heads that were built for that',
  // The others are about use, and about text.
  watchedBy: [
    'content scores are not habits of position',
    'position scores survive shuffled tokens',
    'enough examples',
  ],
  runs: ({ truth }) => [
    {
      prompts: [],
      parameters: {},
      truth: Object.entries(truth.roles).flatMap(([part, role]) =>
        JOBS[role] ? [certain(`${JOBS[role]} ${part}`)] : [],
      ),
      read: ({ found }) =>
        found.flatMap(({ job, layer, head }) => (CLAIMED.includes(job) ? [certain(`${job} L${layer}H${head}`)] : [])),
    },
  ],
}

/** Deviations above random directions from which a pair of heads is said to compose. */
const COMPOSES = 5
/** Centred eigenvalue copying score from which a head is said to copy. */
const COPIES = 0.5

/** What circuits from weights claim. */
export const circuitClaims: MethodClaims<CircuitValues> = {
  claims: `pairs of heads whose composition score lies ${COMPOSES} deviations above random directions, and heads that copy: centred eigenvalue score from ${COPIES} on`,
  truth:
    'edges between heads, and heads that raise half of the tokens that they can read most themselves (their exact OV circuit)',
  // The others are about tables of tokens, of which nothing is claimed here.
  watchedBy: [
    'heads with positive eigenvalues copy',
    'composition is no common direction',
    'composition in use shows in the weights',
  ],
  runs: (compiled) => [
    {
      prompts: compiled.questions.map(({ ids }) => [...ids]),
      parameters: {},
      truth: [
        ...compiled.truth.edges
          .filter(({ from, via }) => from.includes('H') && via !== 'in')
          .map((edge) => certain(edgeName(edge))),
        ...copyingHeads(compiled).map((head) => certain(`${head} copies`)),
      ],
      read: ({ heads, compositions }) => [
        ...(['Q', 'K', 'V'] as const).flatMap((kind) =>
          compositions[kind].flatMap(({ from, to, rawZ }) =>
            rawZ >= COMPOSES
              ? [certain(`L${from.layer}H${from.head}->L${to.layer}H${to.head}.${kind.toLowerCase()}`)]
              : [],
          ),
        ),
        ...heads.flatMap(({ layer, head, copying, ov }) =>
          copying.centred >= COPIES && writesToLogits(ov) ? [certain(`L${layer}H${head} copies`)] : [],
        ),
      ],
    },
  ],
}

/** Heads that raise half or more of the tokens that they move at all most themselves. */
function copyingHeads({ circuit: { layers, embedding, unembedding } }: CompiledModel): string[] {
  return layers.flatMap(({ heads }, l) =>
    heads.flatMap(({ value, output }, h) => {
      const rows = product(product(product(embedding, value), output), unembedding)
      const moved = rows.flatMap((row, token) => (Math.max(...row) - Math.min(...row) > 1e-6 ? [{ row, token }] : []))
      const own = moved.filter(({ row, token }) => row.indexOf(Math.max(...row)) === token)
      return moved.length > 0 && own.length >= moved.length / 2 ? [`L${l}H${h}`] : []
    }),
  )
}

type Rows = readonly (readonly number[])[]
interface Weights {
  readonly rows: number
  readonly columns: number
  readonly data: Float64Array
}

/** [a, b] [b, c] -> a rows of c */
function product(left: Weights | Rows, { columns, data }: Weights): Rows {
  const rows: Rows = 'data' in left ? rowsOf(left) : left
  return rows.map((row) =>
    Array.from({ length: columns }, (_, j) => row.reduce((sum, x, k) => sum + x * data[k * columns + j]!, 0)),
  )
}

const rowsOf = ({ rows, columns, data }: Weights): Rows =>
  Array.from({ length: rows }, (_, i) => [...data.subarray(i * columns, (i + 1) * columns)])
