import type { Model } from '../../lab/index.ts'
import { atLeast, atMost, type Check, judged, notTested } from '../shared/checks.ts'
import type { Meter } from '../shared/result.ts'
import { largestIndices, rankCorrelation } from '../shared/statistics.ts'
import type { CausalTraceOptions, CausalTraceValues, TracedPromptRuns } from './causal-tracing.ts'
import { type Corruption, corruptedRuns, embeddingDeviation, type TraceMeasure } from './trace-runs.ts'
import { type TracedMap, type TraceMap, traceMap, windowAround } from './trace-sweep.ts'

/** The share of the clean run's probability, or logit difference, that the corruption must take: the paper's noise took two thirds. */
const TAKEN = 0.5
/** Rank correlation of two maps below which they point to different places. */
const MAPS_AGREE = 0.5
/** By how much a window's peak may exceed what its single layers do together. */
const INFLATED = 1.25
/** How much an effect may vary from draw to draw of the noise, as a share of its mean. */
const DRAWS_VARY = 0.5
const TOP = 3
/** A peak below this share of the total effect is none: nothing is compared with it. */
const PEAK = 0.05

/** What checks look at. */
export interface Traced {
  readonly results: readonly TracedPromptRuns[]
  readonly values: CausalTraceValues
  readonly maps: readonly TraceMap[]
  readonly noise: number
  readonly draws: number
}

/** Checks on the means over prompts, and of the first map and the windows on the first prompt. */
export async function traceChecks(
  model: Model,
  traced: Traced,
  options: CausalTraceOptions,
  meter: Meter,
): Promise<Check[]> {
  const { onProgress: _, ...quiet } = options
  return [
    knownCheck(traced),
    takenCheck(traced),
    await corruptionCheck(model, traced, quiet, meter),
    await measureCheck(model, traced, quiet, meter),
    ...(await windowChecks(model, traced, quiet, meter)),
    drawsCheck(traced),
    promptsCheck(traced),
  ]
}

/** Whether the model knows what is traced. */
function knownCheck({ results }: Traced): Check {
  const wrong = results.filter(({ clean }) => !clean.isLikeliest)
  return atMost(
    {
      name: 'the model gives the answer',
      claimed: "the answer is the most likely next token of every prompt's clean run",
      why: 'what is not known cannot be traced: leave such prompts out',
    },
    wrong.length,
    0,
    wrong.length === 0
      ? `it is, with probability ${results.map(({ clean }) => clean.measures.probability.toFixed(3)).join(', ')}`
      : `it is not in ${wrong.length} of ${results.length}: ${wrong.map(({ clean }) => clean.trace.clean.tokens.join('')).join(' | ')}`,
  )
}

/** Whether there is an effect to be traced. */
function takenCheck({ values: { clean, corrupt, totalEffect, measure, corruption } }: Traced): Check {
  return atLeast(
    {
      name: corruption === 'noise' ? 'the noise is large enough' : 'the other subject changes the answer',
      claimed: `the corruption takes at least ${TAKEN} of the clean run's ${spoken(measure)}`,
      why:
        corruption === 'noise'
          ? 'restoring has nothing to restore otherwise: raise the noise'
          : 'restoring has nothing to restore otherwise: choose a subject with another answer',
    },
    totalEffect[measure] / Math.abs(clean[measure]),
    TAKEN,
    `from ${clean[measure].toFixed(3)} to ${corrupt[measure].toFixed(3)}`,
  )
}

/** The first map once more with the other corruption. */
async function corruptionCheck(
  model: Model,
  { results, values: { corruption, measure, layers }, noise, draws, maps }: Traced,
  options: CausalTraceOptions,
  meter: Meter,
): Promise<Check> {
  const claim = {
    name: 'noise and symmetric replacement point to the same places',
    claimed: `their effects over all layers and tokens (${nameOf(maps[0]!)}) have a rank correlation of at least ${MAPS_AGREE}`,
  }
  const { clean, maps: own } = results[0]!
  if (clean.trace.corrupt === null)
    return notTested(claim, 'there is no corrupted prompt to take tokens from: give one')
  const other: Corruption = corruption === 'noise' ? 'replacement' : 'noise'
  const sigma = other === 'noise' ? noise * (await embeddingDeviation([clean.trace], options, meter)) : 0
  const runs = await corruptedRuns(model, clean, other, { sigma, draws, prompt: 0 }, [], options, meter)
  const beside = await traceMap(model, clean, runs, maps[0]!, cellsOf(results[0]!, layers), measure, options, meter)
  if (!beside.complete) return notTested(claim, 'the work was cancelled before it')
  return agreement(
    {
      ...claim,
      why: 'noise puts the model where it never was, and can find places that no real subject makes a difference in: believe replacement where they differ',
    },
    own[0]!,
    beside,
    results[0]!,
    layers,
  )
}

/** The first map once more with the other measure. */
async function measureCheck(
  model: Model,
  { results, values: { measure, layers }, maps }: Traced,
  options: CausalTraceOptions,
  meter: Meter,
): Promise<Check> {
  const other: TraceMeasure = measure === 'probability' ? 'logit_difference' : 'probability'
  const claim = {
    name: `${spoken(measure)} and ${spoken(other)} agree`,
    claimed: `effects on the two (${nameOf(maps[0]!)}) have a rank correlation of at least ${MAPS_AGREE}`,
  }
  const { clean, corrupted, maps: own } = results[0]!
  const beside = await traceMap(model, clean, corrupted, maps[0]!, cellsOf(results[0]!, layers), other, options, meter)
  if (!beside.complete) return notTested(claim, 'the work was cancelled before it')
  return agreement(
    {
      ...claim,
      why: 'a probability near 0 hides what lowers the answer, and near 1 what raises it; a logit difference hides neither',
    },
    own[0]!,
    beside,
    results[0]!,
    layers,
  )
}

function agreement(
  claim: Pick<Check, 'name' | 'claimed' | 'why'>,
  own: TracedMap,
  beside: TracedMap,
  result: TracedPromptRuns,
  layers: readonly number[],
): Check {
  const ranks = rankCorrelation(rounded(own), rounded(beside))
  if (Number.isNaN(ranks)) return notTested(claim, 'one of the two maps has the same effect everywhere')
  const [one, other] = [own, beside].map(({ effects }) => placeOf(largestIndices(effects, 1)[0]!, result, layers))
  return judged(
    claim,
    `rank correlation ${ranks.toFixed(2)}; the largest effects are at ${one}, and ${other}`,
    MAPS_AGREE,
    ranks >= MAPS_AGREE,
  )
}

/** What differs by less than a thousandth of the largest effect is equal, or ranks would be rounding. */
function rounded({ effects }: TracedMap): number[] {
  const largest = Math.max(...effects.map((effect) => Math.abs(effect!)))
  return effects.map((effect) => Math.round((1000 * effect!) / (largest || 1)))
}

/** Every window's peak against its own layers one by one. */
async function windowChecks(
  model: Model,
  { results, values: { measure, layers, totalEffect }, maps }: Traced,
  options: CausalTraceOptions,
  meter: Meter,
): Promise<Check[]> {
  const { clean, corrupted, maps: own } = results[0]!
  const checks: Check[] = []
  for (const [m, map] of maps.entries()) {
    if (map.state === 'resid') continue
    const claim = {
      name: `the window over ${map.state} layers does not inflate`,
      claimed: `the peak of ${map.window} layers restored together is at most ${INFLATED} times the sum of what they do one by one`,
    }
    const length = clean.trace.clean.ids.length
    const [peak] = largestIndices(own[m]!.effects, 1)
    if (map.window === 1) checks.push(notTested(claim, 'the window is a single layer'))
    else if (peak === undefined || Math.abs(own[m]!.effects[peak]!) < PEAK * Math.abs(totalEffect[measure]))
      checks.push(notTested(claim, `no peak reaches ${PEAK} of the total effect`))
    else {
      const position = peak % length
      const within = windowAround(layers[Math.floor(peak / length)]!, map.window, model.config.n_layers)
      const cells = { layers: within, positions: [position] }
      const singles = await traceMap(model, clean, corrupted, { ...map, window: 1 }, cells, measure, options, meter)
      if (!singles.complete) checks.push(notTested(claim, 'the work was cancelled before it'))
      else checks.push(inflationCheck(claim, own[m]!.effects[peak]!, singles.effects as number[], within))
    }
  }
  return checks
}

/** Whether a window's peak is made by its layers one by one. */
export function inflationCheck(
  claim: Pick<Check, 'name' | 'claimed'>,
  peak: number,
  singles: readonly number[],
  layers: readonly number[],
): Check {
  // Layers against the peak do not count as part of it.
  const sum = singles.reduce((total, effect) => total + (effect * peak > 0 ? effect : 0), 0)
  const [largest] = largestIndices(singles, 1)
  return atMost(
    {
      ...claim,
      why: 'layers that do something only together make a site that no single layer is: name the window, or look at single layers',
    },
    Math.abs(peak) / Math.abs(sum),
    INFLATED,
    `${peak.toFixed(3)} together, ${sum.toFixed(3)} one by one, at most ${singles[largest!]!.toFixed(3)} (layer ${layers[largest!]})`,
  )
}

/** Whether one draw of the noise says what the others do. */
function drawsCheck({ results, values: { corruption, draws, layers } }: Traced): Check {
  const claim = {
    name: 'draws of the noise agree',
    claimed: `the standard deviation over draws is at most ${DRAWS_VARY} of the mean effect, for the ${TOP} largest`,
  }
  if (corruption === 'replacement') return notTested(claim, 'nothing is drawn at random')
  if (draws < 2) return notTested(claim, 'there is one draw; ask for several')
  const [first] = results[0]!.maps as [TracedMap]
  const top = largestIndices(first.effects, TOP)
  const varying = top.filter((i) => !(first.spread![i]! <= DRAWS_VARY * Math.abs(first.effects[i]!)))
  return atMost(
    { ...claim, why: 'the map of one draw is about that noise; more draws say what is typical' },
    varying.length,
    0,
    top
      .map(
        (i) =>
          `${placeOf(i, results[0]!, layers)}: ${first.effects[i]!.toFixed(3)}, deviation ${first.spread![i]!.toFixed(3)}`,
      )
      .join('; '),
  )
}

/** Whether the largest mean effect is there in all prompts. */
function promptsCheck({ values: { traces, classes, layers, prompts } }: Traced): Check {
  const claim = {
    name: 'the largest effect holds beyond one prompt',
    claimed: 'its 95% interval over prompts lies on one side of 0',
  }
  const { byClass, low, high } = traces[0]!
  if (low === null || high === null)
    return notTested(claim, `there is ${prompts.length} prompt; give a list for intervals`)
  const [top] = largestIndices(byClass.flat() as (number | null)[], 1)
  if (top === undefined) return notTested(claim, 'no class of tokens is in every prompt')
  const [least, most] = [(low.flat() as number[])[top]!, (high.flat() as number[])[top]!]
  return judged(
    { ...claim, why: 'a site that is there in one prompt only is about that prompt' },
    `layer ${layers[Math.floor(top / classes.length)]}, ${classes[top % classes.length]}: ${least.toFixed(3)} to ${most.toFixed(3)}`,
    0,
    least > 0 || most < 0,
  )
}

const spoken = (name: string): string => name.replaceAll('_', ' ')

function nameOf({ state }: TraceMap): string {
  return state === 'resid' ? 'of the residual stream' : `of ${state} outputs`
}

function placeOf(cell: number, { clean }: TracedPromptRuns, layers: readonly number[]): string {
  const { tokens } = clean.trace.clean
  return `layer ${layers[Math.floor(cell / tokens.length)]}, ${JSON.stringify(tokens[cell % tokens.length])}`
}

function cellsOf({ clean }: TracedPromptRuns, layers: readonly number[]) {
  return { layers, positions: clean.trace.clean.ids.map((_, p) => p) }
}
