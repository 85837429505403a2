/**
 * Automatic circuit discovery: which edges, alone, do what the model does?
 *
 * A circuit is a set of edges between parts (the edges of path patching and edge attribution). It is run on the corrupted prompt with only its
 * edges clean: every receiver reads, of each sender, either what that sender writes in this very run (an edge of the circuit) or what it
 * writes in the corrupted run. With m the metric,
 *
 *     faithfulness = (m(circuit) - m(corrupted)) / (m(clean) - m(corrupted)),   completeness: the same of all other edges, near 0
 *
 * `gradient` ranks all edges by edge attribution, takes them up from the output backwards (always the largest that is connected), and stops
 * where the circuit is faithful enough. `acdc` starts with all edges and removes them one by one, from the output backwards, where that
 * raises the KL from the clean run (or moves the metric) by less than a threshold. All runs are exact; circuits are rows of one graph
 * whose masks are inputs.
 *
 * Papers: Conmy et al. 2304.14997 (ACDC); Syed et al. 2310.10348, Hanna et al. 2403.17806 (gradients, greedy); Wang et al. 2211.00593
 * (faithfulness, completeness).
 *
 * How it misleads: what is found is enough, not all: of two parts that can stand in for each other one is dropped (its complement then still works).
 * Gradients miss what saturates. A mean over pairs can be right while each pair is wrong. Large circuits are faithful by size alone. Each of these
 * has a check.
 */

import { throwIfAborted } from '../../errors/index.ts'
import type { Model } from '../../lab/index.ts'
import { randomStream } from '../../lab/sampling.ts'
import { type ExactEdge, exactChecks } from '../edge-attribution/edge-attribution-checks.ts'
import { patchSampled } from '../edge-attribution/exact-edges.ts'
import { differenceChecks } from '../patching/patch-checks.ts'
import { type PromptPair, preparePair } from '../patching/prompt-pair.ts'
import type { Check } from '../shared/checks.ts'
import { CANCELLED_CHECKS, partialResults, type Standing, unlessCancelled } from '../shared/keep-done.ts'
import { Meter, type MethodResult } from '../shared/result.ts'
import { mean } from '../shared/statistics.ts'
import { type CircuitOutcome, type CircuitPair, circuitPair, runCircuits } from './circuit-runs.ts'
import { circuitChecks } from './discovery-checks.ts'
import {
  type DiscoveryOptions,
  type DiscoveryValues,
  type FoundCircuit,
  requireEqualLengths,
  requireOwnOptions,
} from './discovery-values.ts'
import { type EdgeGraph, type EdgeSet, edgeGraph, endsOf, liveEdges, randomCircuit } from './edge-graph.ts'
import { meanMetric, rankByGradient, rankByRemoval } from './edge-ranking.ts'
import {
  type CurvePoint,
  complementOf,
  curvePoints,
  curveSizes,
  faithfulnessOf,
  missOf,
  sizesBetween,
  smallestFaithful,
} from './faithfulness.ts'
import type { Evaluate } from './greedy-removal.ts'

const DEFAULTS = { faithfulness: 0.9, steps: 5, threshold: 0.01, randomCircuits: 20 } as const
/** Effects of single edges cost a run each. */
const MOST_WEIGHED = 128
/** Sizes that are tried between two of the curve, to find the smallest. */
const BETWEEN = 15

/** Finds a circuit for the pairs. Throws for prompts of unequal length, and for options of the other way. */
export async function discoverCircuit(
  model: Model,
  pairs: readonly PromptPair[],
  options: DiscoveryOptions = {},
): Promise<MethodResult<DiscoveryValues>> {
  const { way = 'gradient', seed = 0, holdOut = true, signal } = options
  requireOwnOptions(way, options)
  const target = options.faithfulness ?? DEFAULTS.faithfulness
  const rule = { measure: options.measure ?? 'kl', threshold: options.threshold ?? DEFAULTS.threshold }
  const meter = new Meter(model)
  const graph = edgeGraph(model.config)
  const prepared = pairs.map((pair) => preparePair(model, pair, options.metric, options.prependBos))
  requireEqualLengths(prepared)
  const isHeldOut = prepared.map((_, i) => holdOut && i % 3 === 1)
  const runs: CircuitPair[] = []
  for (const pair of prepared) runs.push(await circuitPair(model, pair, options, meter))
  const found = runs.filter((_, i) => !isHeldOut[i])
  const evaluateOn =
    (on: readonly CircuitPair[]): Evaluate =>
    async (circuits) => {
      const perPair: CircuitOutcome[][] = []
      for (const pair of on) perPair.push(await runCircuits(model, graph, pair, circuits, options, meter))
      return circuits.map((_, i) => perPair.map((outcomes) => outcomes[i]!))
    }
  const evaluate = evaluateOn(found)
  const clean = mean(found.map(({ cleanMetric }) => cleanMetric))
  const corrupt = mean(found.map(({ corruptMetric }) => corruptMetric))
  const provenance = model.provenance({ prompts: prepared.flatMap((pair) => [pair.clean, pair.corrupt]), seed })

  const soFar: SoFar = { tried: 0, curve: [], circuit: null, perPair: null, exact: [] }
  const assemble = (standing: Standing): MethodResult<DiscoveryValues> => ({
    values: {
      metric: prepared[0]!.asked.name,
      way,
      estimate: way === 'gradient' ? (options.estimate ?? 'eap_ig') : null,
      removal: way === 'acdc' ? { ...rule, tried: soFar.tried } : null,
      allEdges: graph.cells.length,
      clean,
      corrupt,
      circuit: soFar.circuit,
      curve: [...soFar.curve].sort((a, b) => a.size - b.size),
      exact: soFar.exact,
      pairs: runs.map(({ pair, cleanMetric, corruptMetric }, i) => ({
        clean: pair.clean,
        corrupt: pair.corrupt,
        answer: pair.asked.answer,
        wrong: pair.asked.wrong,
        cleanMetric,
        corruptMetric,
        heldOut: isHeldOut[i]!,
        faithfulness: soFar.perPair?.[i] ?? null,
      })),
    },
    cost: meter.cost,
    edits: meter.edits,
    provenance,
    ...standing,
  })
  const onPartial = partialResults(options, (_, standing) => assemble(standing))
  const report = (phase: string, done: number, total: number, unit: string) => {
    options.onProgress?.({ phase, done, total, unit })
    onPartial?.([])
    throwIfAborted(signal)
  }

  const work = async (): Promise<readonly Check[]> => {
    const ranking =
      way === 'gradient'
        ? await rankByGradient(model, graph, found, { ...options, steps: stepsOf(options) }, meter)
        : await rankByRemoval(graph, evaluate, { ...rule, difference: clean - corrupt }, ({ tried }) => {
            soFar.tried = tried
            report('removing edges', tried, graph.cells.length, 'edges')
          })
    const ownSize = ranking.size ?? (options.edges === undefined ? null : Math.min(options.edges, graph.cells.length))
    const sizes = curveSizes(graph.cells.length)
    const extend = async (more: readonly number[]) => {
      const known = new Set(soFar.curve.map(({ size }) => size))
      const fresh = [...new Set(more)].filter((size) => !known.has(size))
      soFar.curve.push(...(await curvePoints(graph, ranking.order, fresh, found, evaluate)))
      report('measuring circuits', soFar.curve.length, sizes.length, 'sizes')
    }
    await extend([...sizes, ...(ownSize === null ? [] : [ownSize])])
    const size = ownSize ?? (await smallestSize(soFar.curve, target, extend))
    const live = liveEdges(graph, new Set(ranking.order.slice(0, size)))
    const cells = ranking.order.filter((cell) => live.has(cell))
    const weighed = cells.slice(0, MOST_WEIGHED)
    const circuit = new Set(cells)
    const outcomes = await evaluate([
      circuit,
      complementOf(graph, circuit),
      ...weighed.map((cell) => new Set(cells.filter((other) => other !== cell))),
      ...weighed.map((cell) => new Set(graph.cells.filter((other) => other !== cell))),
      ...otherCircuits(graph, circuit, options.randomCircuits ?? DEFAULTS.randomCircuits, randomStream(seed)),
    ])
    const [whole, rest] = [outcomes[0]!, outcomes[1]!]
    const random = outcomes.slice(2 + 2 * weighed.length)
    soFar.circuit = {
      edges: cells.map((cell, i) => ({
        from: endsOf(graph, cell).sender.name,
        to: endsOf(graph, cell).receiver.name,
        score: ranking.scores?.[cell] ?? null,
        effect: i < weighed.length ? meanMetric(whole) - meanMetric(outcomes[2 + i]!) : null,
        modelEffect: i < weighed.length ? clean - meanMetric(outcomes[2 + weighed.length + i]!) : null,
      })),
      faithfulness: faithfulnessOf(whole, found),
      miss: missOf(whole, found),
      complement: faithfulnessOf(rest, found),
      kl: mean(whole.map(({ kl }) => kl)),
      random: random.map((list) => faithfulnessOf(list, found)),
      randomMiss: random.map((list) => missOf(list, found)),
    }
    report('testing the circuit', 1, 2, 'steps')
    soFar.perPair = (await evaluateOn(runs)([circuit]))[0]!.map((outcome, i) => faithfulnessOf([outcome], [runs[i]!]))
    if (way === 'gradient')
      soFar.exact = await patchSampled(
        model,
        { pair: found[0]!.pair, scores: ranking.first! },
        'corrupted_into_clean',
        options,
        meter,
      )
    const ends = [0, graph.cells.length].map(
      (edges) => soFar.curve.find((point) => point.size === edges)!.faithfulness,
    ) as [number, number]
    return [
      ...differenceChecks(prepared, clean, corrupt),
      ...circuitChecks({
        size: cells.length,
        allEdges: graph.cells.length,
        ...soFar.circuit,
        difference: clean - corrupt,
        heldOut: soFar.perPair.filter((_, i) => isHeldOut[i]),
        ends,
      }),
      // Whether estimates have the right size does not matter to a ranking.
      ...(way === 'gradient'
        ? exactChecks(soFar.exact, found[0]!.cleanMetric - found[0]!.corruptMetric).slice(0, 1)
        : []),
    ]
  }
  const checks = await unlessCancelled(signal, work)
  return assemble({ checks: checks ?? CANCELLED_CHECKS, complete: checks !== null })
}

/** What is known on the way. */
interface SoFar {
  /** Edges that were tried. */
  tried: number
  curve: CurvePoint[]
  circuit: FoundCircuit | null
  /** Faithfulness by pair. */
  perPair: readonly number[] | null
  exact: readonly ExactEdge[]
}

const stepsOf = ({ estimate, steps = DEFAULTS.steps }: DiscoveryOptions): number =>
  estimate === 'eap' ? 1 : Math.max(2, steps)

/** The smallest size that is faithful: between the first of the curve's that is and the one before it, sizes are tried too. */
async function smallestSize(
  curve: readonly CurvePoint[],
  target: number,
  extend: (sizes: readonly number[]) => Promise<void>,
): Promise<number> {
  const first = smallestFaithful(curve, target)
  const before = Math.max(-1, ...curve.map(({ size }) => size).filter((size) => size < first.size))
  await extend(sizesBetween(before, first.size, BETWEEN))
  return smallestFaithful(curve, target).size
}

/** Random circuits of at least a circuit's size that do not contain it; fewer where the model has too few edges for that. */
function otherCircuits(graph: EdgeGraph, circuit: EdgeSet, count: number, random: () => number): EdgeSet[] {
  const others: EdgeSet[] = []
  for (let tries = 0; others.length < count && tries < 10 * count; tries++) {
    const drawn = randomCircuit(graph, circuit.size, random)
    if ([...circuit].some((cell) => !drawn.has(cell))) others.push(drawn)
  }
  return others
}
