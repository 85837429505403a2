import { DiopterError } from '../../errors/index.ts'
import type { EdgeEstimate } from '../edge-attribution/edge-attribution.ts'
import type { ExactEdge } from '../edge-attribution/edge-attribution-checks.ts'
import type { MeasuredPair, PreparedPair } from '../patching/prompt-pair.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { AnswerMetricName, MetricName } from '../shared/question.ts'
import type { CurvePoint } from './faithfulness.ts'
import type { RemovalMeasure } from './greedy-removal.ts'

/** How edges are chosen. */
export const DISCOVERY_WAYS = ['gradient', 'acdc'] as const
/** One of `DISCOVERY_WAYS`. */
export type DiscoveryWay = (typeof DISCOVERY_WAYS)[number]

/** How a circuit is looked for, and what is measured. Options of the other way are refused. */
export interface DiscoveryOptions extends MethodOptions {
  /** `gradient` unless said. */
  readonly way?: DiscoveryWay | undefined
  /** Of `gradient`: the share of the difference between the runs that the circuit must do (it misses no more than the rest, pair by pair); 0.9 unless said. */
  readonly faithfulness?: number | undefined
  /** Of `gradient`: how many edges are taken up, in place of `faithfulness`. */
  readonly edges?: number | undefined
  /** Of `gradient`: `eap_ig` unless said. */
  readonly estimate?: EdgeEstimate | undefined
  /** Of `eap_ig`: runs that the gradient is averaged over; 5 unless said, at least 2. */
  readonly steps?: number | undefined
  /** Of `acdc`: `kl` unless said. */
  readonly measure?: RemovalMeasure | undefined
  /** Of `acdc`: an edge goes where that changes the measure by less; 0.01 nats of KL, or 0.01 of the metric's difference, unless said. */
  readonly threshold?: number | undefined
  /** How many random circuits of the same size it is compared with; 20 unless said. */
  readonly randomCircuits?: number | undefined
  /** Whether every third pair, from the second on, is kept to test the circuit on; true unless said. */
  readonly holdOut?: boolean | undefined
  /** `logit_difference` where there is a wrong token, else `logit`, unless said. */
  readonly metric?: AnswerMetricName | undefined
}

/** An edge of a circuit. */
export interface CircuitEdge {
  /** `embed`, `L0H1` or `L0MLP`. */
  readonly from: string
  /** `L1H0.q`, `L1MLP` or `logits`. */
  readonly to: string
  /** The estimated effect of the edge's clean value, of `gradient`; mean over pairs. */
  readonly score: number | null
  /** The metric of the circuit less that of the circuit without this edge, mean over pairs; null beyond the first 128 edges. */
  readonly effect: number | null
  /** The same for the whole model: near 0 where something else stands in. */
  readonly modelEffect: number | null
}

/** A circuit with what it does. */
export interface FoundCircuit {
  /** Most important first. All are on a path from the embedding to the logits. */
  readonly edges: readonly CircuitEdge[]
  /** (metric of the circuit - of the corrupted run) / (of the clean run - of the corrupted run), means over pairs. */
  readonly faithfulness: number
  /** How far it is from the clean run pair by pair, as a share of their differences. */
  readonly miss: number
  /** The faithfulness of all other edges together. */
  readonly complement: number
  /** Mean KL from the clean run's prediction to the circuit's, in nats. */
  readonly kl: number
  /** Faithfulness of random circuits of at least as many edges. */
  readonly random: readonly number[]
  /** Their `miss`. */
  readonly randomMiss: readonly number[]
}

/** What circuit discovery gives. */
export interface DiscoveryValues {
  readonly metric: MetricName
  readonly way: DiscoveryWay
  /** Of `gradient`. */
  readonly estimate: EdgeEstimate | null
  /** Of `acdc`. */
  readonly removal: { readonly measure: RemovalMeasure; readonly threshold: number; readonly tried: number } | null
  /** How many edges the model has. */
  readonly allEdges: number
  /** The metric of the clean and of the corrupted run, means over the pairs that the circuit was found on. */
  readonly clean: number
  readonly corrupt: number
  /** Null where the work was cancelled before there was one. */
  readonly circuit: FoundCircuit | null
  /** By size, from no edge to all. */
  readonly curve: readonly CurvePoint[]
  /** Of `gradient`: the top edges of the first pair and some others, path-patched. */
  readonly exact: readonly ExactEdge[]
  readonly pairs: readonly (MeasuredPair & {
    readonly heldOut: boolean
    /** Of the circuit, on this pair. */
    readonly faithfulness: number | null
  })[]
}

/** Which options belong to which way. */
const OWN: Readonly<Record<DiscoveryWay, readonly (keyof DiscoveryOptions)[]>> = {
  gradient: ['faithfulness', 'edges', 'estimate', 'steps'],
  acdc: ['measure', 'threshold'],
}

/** Throws for options of the other way, and for shares that are none. */
export function requireOwnOptions(way: DiscoveryWay, options: DiscoveryOptions): void {
  const other = way === 'gradient' ? 'acdc' : 'gradient'
  const stray = OWN[other].find((name) => options[name] !== undefined)
  if (stray)
    throw new DiopterError(
      `'${stray}' belongs to the way '${other}', but the way is '${way}', which takes ${OWN[way].join(', ')}.`,
    )
  const { faithfulness, edges } = options
  if (faithfulness !== undefined && edges !== undefined)
    throw new DiopterError('Give either the faithfulness that the circuit must reach, or its number of edges.')
  if (faithfulness !== undefined && !(faithfulness > 0 && faithfulness < 1))
    throw new DiopterError(`faithfulness is ${faithfulness}; it is a share between 0 and 1, such as 0.9.`)
}

/** Throws unless the prompts of every pair have one length. */
export function requireEqualLengths(pairs: readonly PreparedPair[]): void {
  const unequal = pairs.find(({ alignment }) => !alignment.equalLength)
  if (unequal)
    throw new DiopterError(
      `A circuit's edges are clean or corrupted position by position, but a pair's prompts have ${unequal.clean.ids.length} and ${unequal.corrupt.ids.length} tokens. Use pairs whose prompts have the same number of tokens.`,
    )
}
