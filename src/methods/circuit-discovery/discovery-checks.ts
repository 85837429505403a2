import { atLeast, atMost, type Check, notTested } from '../shared/checks.ts'
import { largestIndices, mean } from '../shared/statistics.ts'
import type { CircuitEdge } from './discovery-values.ts'

/** By how much of the difference between the runs a circuit may miss the clean run, and its complement the corrupted one: published circuits are held to 80 to 90%. */
const GAP = 0.2
/** The share of all edges from which on a circuit is hardly one: random circuits of its size do much as well. */
const MOST_EDGES = 0.5
/** An edge whose loss costs the circuit this share of the difference carries it. */
const NEEDED = 0.2
/** The gap to the clean or corrupted run that rounding explains, as a share of the difference. */
const ROUNDING = 1e-3

/** What is known of a circuit when it is judged. */
export interface Judged {
  readonly size: number
  readonly allEdges: number
  readonly faithfulness: number
  readonly miss: number
  readonly complement: number
  readonly edges: readonly CircuitEdge[]
  /** Between the clean and the corrupted metric. */
  readonly difference: number
  /** Faithfulness of random circuits of at least this size. */
  readonly random: readonly number[]
  readonly randomMiss: readonly number[]
  /** Per pair that the circuit was not found on. */
  readonly heldOut: readonly number[]
  /** Faithfulness of no edge, and of all. */
  readonly ends: readonly [none: number, all: number]
}

const percent = (share: number) => `${(100 * share).toFixed(1)}%`

/** Whether a circuit is what it is said to be. */
export function circuitChecks(judgedCircuit: Judged): Check[] {
  const { size, allEdges, faithfulness, miss, complement, heldOut, ends, edges, difference } = judgedCircuit
  return [
    atMost(
      {
        name: 'all edges are the clean run, none the corrupted one',
        claimed: `both within ${ROUNDING} of the difference between the two runs`,
        why: 'otherwise edges are not taken apart exactly, and no circuit can be trusted',
      },
      Math.max(Math.abs(ends[0]), Math.abs(1 - ends[1])),
      ROUNDING,
    ),
    atMost(
      {
        name: 'the circuit is faithful',
        claimed: `with only its edges clean, it misses the clean run by at most ${percent(GAP)} of the difference, on average over pairs`,
        why: 'what it leaves out matters too, or it has parts without those that oppose them: ask for a larger circuit',
      },
      miss,
      GAP,
      `${size} of ${allEdges} edges (${percent(size / allEdges)}) do ${percent(faithfulness)} of the difference, and miss ${percent(miss)} pair by pair`,
    ),
    atMost(
      {
        name: 'its complement is not (completeness)',
        claimed: `with all edges clean but the circuit's, at most ${percent(GAP)} of the difference is left or overshot`,
        why: 'what still works without the circuit stands in for it (OR, backup): the circuit is one way of several, not all of them',
      },
      Math.abs(complement),
      GAP,
      `without the circuit ${percent(complement)} of the difference is left`,
    ),
    redundancyCheck(edges, difference),
    sizeCheck(size, allEdges),
    randomCheck(judgedCircuit),
    heldOutCheck(heldOut),
  ]
}

/** Whether what carries the circuit is also what the model cannot do without. */
function redundancyCheck(edges: readonly CircuitEdge[], difference: number): Check {
  const claim = {
    name: 'what the circuit needs, the model needs',
    claimed: `edges whose loss costs the circuit ${percent(NEEDED)} of the difference or more cost the whole model at least half as much`,
  }
  const shares = edges.map(({ effect, modelEffect }) => [effect, modelEffect].map((x) => (x ?? 0) / difference))
  const carrying = shares.flatMap(([own], i) => (own! >= NEEDED ? [i] : []))
  if (carrying.length === 0)
    return notTested(claim, `no edge of the circuit carries ${percent(NEEDED)} of the difference by itself`)
  const spare = carrying.filter((i) => shares[i]![1]! < shares[i]![0]! / 2)
  const [worst] = largestIndices(
    spare.map((i) => shares[i]![0]! - shares[i]![1]!),
    1,
  )
  const named = worst === undefined ? '' : edges[spare[worst]!]!
  return atMost(
    {
      ...claim,
      why: 'the model has another way that the circuit leaves out (OR, a backup): what was found is enough, but not all',
    },
    spare.length,
    0,
    named === ''
      ? `all ${carrying.length} edges that carry the circuit do`
      : `${spare.length} of ${carrying.length} do not; most ${named.from}->${named.to}: its loss costs the circuit ${percent(named.effect! / difference)}, the model ${percent(named.modelEffect! / difference)}`,
  )
}

function sizeCheck(size: number, allEdges: number): Check {
  return atMost(
    {
      name: 'the circuit is small',
      claimed: `it has at most ${percent(MOST_EDGES)} of all edges`,
      why: 'a circuit of most edges is faithful whatever they do: lower the target, raise the threshold, or take prompts that differ in less',
    },
    size / allEdges,
    MOST_EDGES,
  )
}

function randomCheck({ size, allEdges, faithfulness, miss, random, randomMiss }: Judged): Check {
  const claim = {
    name: 'beats random circuits of its size',
    claimed:
      'it is nearer to the clean run than every random circuit of at least as many edges on paths from input to output',
  }
  if (random.length === 0)
    return notTested(
      claim,
      'none were asked for, or the model has too few edges for random circuits that do not contain this one',
    )
  if (size / allEdges > MOST_EDGES)
    return notTested(claim, `with ${size} of ${allEdges} edges, random circuits share most edges with it`)
  const better = randomMiss.filter((other) => other <= miss).length
  return atMost(
    { ...claim, why: 'where random edges do as well, the edges that were found are nothing special' },
    better,
    0,
    `${better} of ${random.length} random circuits come as near; they do ${percent(mean(random))} of the difference on average, the circuit ${percent(faithfulness)}`,
  )
}

function heldOutCheck(heldOut: readonly number[]): Check {
  const claim = {
    name: 'stays faithful on other pairs',
    claimed: `on average over pairs that it was not found on, it does within ${percent(GAP)} what the whole model does`,
  }
  if (heldOut.length === 0) return notTested(claim, 'no pair was held out; give several pairs')
  const worst = heldOut.reduce((most, value) => (Math.abs(1 - value) > Math.abs(1 - most) ? value : most))
  return atLeast(
    {
      ...claim,
      why: 'a circuit of one pair may be about its words, and a mean over pairs may hide that errors cancel',
    },
    1 - mean(heldOut.map((value) => Math.abs(1 - value))),
    1 - GAP,
    `mean gap ${percent(mean(heldOut.map((value) => Math.abs(1 - value))))} over ${heldOut.length} pairs; the worst does ${percent(worst)} of its difference`,
  )
}
