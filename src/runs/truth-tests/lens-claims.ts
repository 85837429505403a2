import type { LensReading, LensValues, TunedLensValues } from '../../methods/index.ts'
import type { CompiledModel } from '../../models/compiled/index.ts'
import type { MethodClaims } from './claims.ts'
import { askedQuestions } from './question-claims.ts'

// What lenses claim: from which row on the answer is there.

/** Share of questions whose answer must be on top in a row that is said to have it. */
const HAS_ANSWER = 0.9

const CLAIM = `rows at which the model's final answer is on top at the last position, in ${100 * HAS_ANSWER} % of questions`
const TRUTH = 'rows behind the last head that the answer depends on: nothing of it arrives later'

/** The first row (0 is the embedding) behind all heads that the answer depends on. */
function decidedRow({ truth }: CompiledModel): number {
  return 1 + Math.max(...truth.matters.flatMap((part) => (part.includes('H') ? [Number(/\d+/.exec(part)![0])] : [])))
}

type Readings = Pick<LensValues | TunedLensValues, 'layers' | 'prompts'>

function readRows({ layers, prompts }: Readings) {
  return layers.flatMap((name, row) => {
    const right = prompts.filter(({ cells }) => isOnTop(cells[row]!.at(-1)!)).length
    return right >= HAS_ANSWER * prompts.length ? [{ name: rowName(name), share: null }] : []
  })
}

/** Whether the final answer is the most probable token alone: a row that knows nothing finds all tokens alike. */
function isOnTop({ rank, top }: LensReading): boolean {
  return rank === 0 && top[0]!.probability > top[1]!.probability * (1 + 1e-4)
}

const rowName = (layer: string | number) => (layer === 'embed' ? layer : `after layer ${layer}`)

function lensRun(compiled: CompiledModel, parameters: Readonly<Record<string, unknown>>) {
  const layers = compiled.config.n_layers as number
  const first = decidedRow(compiled)
  const truth = Array.from({ length: layers + 1 }, (_, row) => row)
    .filter((row) => row >= first)
    .map((row) => ({ name: rowName(row - 1), share: null }))
  return { prompts: askedQuestions(compiled).map(({ ids }) => [...ids]), parameters, truth, read: readRows }
}

/** What the logit lens claims. */
export const lensClaims: MethodClaims<LensValues> = {
  claims: CLAIM,
  truth: TRUTH,
  // Marginals are off wherever a row knows nothing yet, about which nothing is claimed.
  watchedBy: ['the lens at the last layer is the model', 'rows after layers are closer to the answer than a guess'],
  runs: (compiled) => [lensRun(compiled, {})],
}

/** What the tuned lens claims. */
export const tunedLensClaims: MethodClaims<TunedLensValues> = {
  claims: CLAIM,
  truth: TRUTH,
  runs: (compiled) => [
    lensRun(compiled, { texts: compiled.inputs(TEXTS).map((ids) => [...ids]), steps: STEPS, control: false }),
  ],
}

/** Inputs that a tuned lens is trained on, and for how long: enough for a few dozen directions. */
const TEXTS = 256
const STEPS = 150
