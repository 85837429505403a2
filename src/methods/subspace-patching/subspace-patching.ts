/**
 * Subspace patching: is the difference between two prompts carried by one direction, or a few, of an activation?
 *
 * With D what the source's activation is more than the target's, and B an orthonormal basis of the subspace [k, d], the target's x becomes
 *
 *     subspace   x + B'B D     the subspace alone is exchanged
 *     rest       x + D - B'B D all but the subspace is
 *     whole      x + D         ordinary activation patching
 *     read       the subspace without what the next weight takes to 0 (neurons, z)
 *
 * clean into corrupted (what is restored) and corrupted into clean (what is lost). The subspace is the mean difference, given, or searched by
 * gradients (distributed alignment search).
 *
 * Papers: Geiger et al. 2303.02536 (alignment search); Makelov, Lange & Nanda 2311.17030 (the illusion); Wu et al. 2401.12631 (a reply).
 *
 * How it misleads: a direction may join a part that differs between the prompts and that nothing reads with a part that never
 * differs and that the answer reads. Exchanged along their sum, the second is moved as far as the first differs: the answer
 * flips by a path that the model never takes. Searches find such directions wherever there are some. The two checks that look for
 * it ask whether the part that is read does it alone, and whether the whole activation does it.
 */
import { DiopterError } from '../../errors/index.ts'
import type { Model } from '../../lab/index.ts'
import type { Direction, MeasuredPair, PromptPair } from '../patching/prompt-pair.ts'
import { preparePair } from '../patching/prompt-pair.ts'
import { keepDone, partialResults, type Standing } from '../shared/keep-done.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { AnswerMetricName, MetricName } from '../shared/question.ts'
import { Meter, type MethodResult } from '../shared/result.ts'
import { mean, summarizeRows } from '../shared/statistics.ts'
import { readerOf, readPart } from './read-part.ts'
import { type Basis, dot, inside, orthonormal } from './subspace.ts'
import { subspaceChecks } from './subspace-checks.ts'
import { differenceAt, type EXCHANGES, type Exchanged, exchange, type RoutedPair, routedPair } from './subspace-runs.ts'
import { type SearchedPair, searchSubspace } from './subspace-search.ts'
import { type Site, type SiteOptions, sitesOf } from './subspace-site.ts'

/** Where a subspace may come from: the mean difference between the runs, or a search. */
export const SUBSPACE_SOURCES = ['difference', 'search'] as const
/** One of `SUBSPACE_SOURCES`. */
export type SubspaceSource = (typeof SUBSPACE_SOURCES)[number]

/** Which activations, which subspace of them, and what is measured. */
export interface SubspacePatchOptions extends MethodOptions, SiteOptions {
  /** `difference` unless said, or unless directions are given. */
  readonly subspace?: SubspaceSource | undefined
  /** The subspace itself, [k][d], of one site: what a probe, an SAE or another tool found. */
  readonly directions?: readonly (readonly number[])[] | undefined
  /** How many directions a search has; 1 unless said. */
  readonly dimensions?: number | undefined
  /** `logit_difference` where there is a wrong token, else `logit`, unless said. */
  readonly metric?: AnswerMetricName | undefined
}

/** How a searched subspace came about: shares restored on the pairs that it was found on, and on those that it was not. */
export interface SubspaceSearch {
  readonly pairs: number
  readonly found: number | null
  /** Null with fewer than four pairs, all of which are then searched on. */
  readonly heldOut: number | null
}

/** What patching a site's subspace did, in shares of the difference between the runs, means over pairs. */
export interface PatchedSubspace {
  readonly label: string
  readonly layer: number
  /** Null where the activation has no heads. */
  readonly head: number | null
  readonly hook: string
  /** Orthonormal directions, [k][d]. */
  readonly basis: readonly (readonly number[])[]
  /** The share of the squared difference between the activations that lies in the subspace. */
  readonly share: number
  /** The share of the directions that the next weight reads; null where no single weight does. */
  readonly readShare: number | null
  /** Clean into corrupted: 0 as in the corrupted run, 1 as in the clean one. */
  readonly restored: Exchanged
  /** Corrupted into clean: 0 where nothing is lost, 1 as in the corrupted run. */
  readonly lost: Exchanged
  /** The 95% bootstrap interval of what the subspace restores; null for a single pair. */
  readonly low: number | null
  readonly high: number | null
  readonly search: SubspaceSearch | null
}

/** What subspace patching gives: a row per site. */
export interface SubspacePatchValues {
  readonly metric: MetricName
  readonly what: SiteOptions['what']
  readonly subspace: SubspaceSource | 'given'
  /** The metric of the clean and of the corrupted run, means over pairs. */
  readonly clean: number
  readonly corrupt: number
  readonly sites: readonly PatchedSubspace[]
  readonly pairs: readonly MeasuredPair[]
}

/** A site's exchanges of every pair: metrics, in both directions. */
export interface PatchedSite {
  readonly site: Site
  readonly values: PatchedSubspace
  /** Per pair, what the subspace changes in the corrupted run. */
  readonly changes: readonly number[]
}

/** Searches hold half of the pairs back from this many on. */
const ENOUGH_TO_HOLD_OUT = 4

/** Exchanges a subspace at every site. Throws where the prompts do not correspond, and for directions that do not fit the activation. */
export async function subspacePatching(
  model: Model,
  pairs: readonly PromptPair[],
  options: SubspacePatchOptions,
): Promise<MethodResult<SubspacePatchValues>> {
  const { seed = 0, subspace = 'difference', directions } = options
  const meter = new Meter(model)
  const sites = sitesOf(model, options)
  requireFitting(sites, options)
  const prepared = pairs.map((pair) => preparePair(model, pair, options.metric, options.prependBos))
  const routed: RoutedPair[] = []
  for (const pair of prepared) routed.push(await routedPair(pair, sites, options, meter))
  const [clean, corrupt] = [mean(routed.map((pair) => pair.clean)), mean(routed.map((pair) => pair.corrupt))]
  const provenance = model.provenance({ prompts: prepared.flatMap((pair) => [pair.clean, pair.corrupt]), seed })
  const assemble = (results: readonly PatchedSite[], standing: Standing): MethodResult<SubspacePatchValues> => ({
    values: {
      metric: prepared[0]!.asked.name,
      what: options.what,
      subspace: directions ? 'given' : subspace,
      clean,
      corrupt,
      sites: results.map(({ values }) => values),
      pairs: prepared.map((pair, i) => ({
        clean: pair.clean,
        corrupt: pair.corrupt,
        answer: pair.asked.answer,
        wrong: pair.asked.wrong,
        cleanMetric: routed[i]!.clean,
        corruptMetric: routed[i]!.corrupt,
      })),
    },
    cost: meter.cost,
    edits: meter.edits,
    provenance,
    ...standing,
  })
  const { results, complete } = await keepDone(sites, 'sites', options, {
    work: (site) => patchSite(model, site, routed, { clean, corrupt }, options, meter),
    onPartial: partialResults(options, assemble),
  })
  return assemble(results, { checks: subspaceChecks(prepared, results, { clean, corrupt, seed }), complete })
}

function requireFitting(sites: readonly Site[], { subspace, dimensions, directions }: SubspacePatchOptions): void {
  const [{ size, label }] = sites as [Site]
  if (dimensions !== undefined && subspace !== 'search')
    throw new DiopterError(
      "Only a searched subspace has `dimensions` to choose: leave them out, or use subspace 'search'.",
    )
  if (dimensions !== undefined && !(Number.isInteger(dimensions) && dimensions >= 1 && dimensions <= size))
    throw new DiopterError(`dimensions: ${dimensions} is no whole number from 1 to ${size}, the features of ${label}.`)
  if (directions === undefined) return
  if (subspace !== undefined)
    throw new DiopterError(`Directions were given, so there is no subspace to make by '${subspace}'; leave one out.`)
  if (sites.length !== 1)
    throw new DiopterError(
      `Directions were given for ${sites.length} activations (${label}, ...): name the one layer (and head) that they are for.`,
    )
  const wrong = directions.find((direction) => direction.length !== size)
  if (wrong) throw new DiopterError(`A direction has ${wrong.length} numbers; ${label} has ${size} features.`)
  if (orthonormal(directions).length === 0) throw new DiopterError('The given directions are all zero.')
}

async function patchSite(
  model: Model,
  site: Site,
  pairs: readonly RoutedPair[],
  { clean, corrupt }: { readonly clean: number; readonly corrupt: number },
  options: SubspacePatchOptions,
  meter: Meter,
): Promise<PatchedSite> {
  const at = (pair: RoutedPair, direction: Direction) => differenceAt(site, pair, direction, options.positions)
  const into = pairs.map((pair) => ({ pair, difference: at(pair, 'clean_into_corrupted') }))
  const { basis, foundOn } = await subspaceOf(model, site, into, options, meter)
  const reader = await readerOf(model, site)
  const read = reader && readPart(reader, basis)
  const patch = async (direction: Direction) => {
    const exchanged: Exchanged[] = []
    for (const { pair, difference } of into) {
      const own = direction === 'clean_into_corrupted' ? difference : at(pair, direction)
      exchanged.push(await exchange(model, pair, direction, own, basis, read?.basis ?? null, options, meter))
    }
    return exchanged
  }
  const [restored, lost] = [await patch('clean_into_corrupted'), await patch('corrupted_into_clean')]
  const changes = restored.map(({ subspace }, i) => subspace! - pairs[i]!.corrupt)
  const shareOn = (chosen: readonly number[]) =>
    finite(mean(chosen.map((i) => changes[i]!)) / mean(chosen.map((i) => pairs[i]!.clean - pairs[i]!.corrupt)))
  const heldOut = pairs.flatMap((_, i) => (foundOn?.has(i) ? [] : [i]))
  const { low, high } = summarizeRows(
    changes.map((change) => [change / (clean - corrupt)]),
    options.seed ?? 0,
  )
  return {
    site,
    changes,
    values: {
      label: site.label,
      layer: site.layer,
      head: site.head,
      hook: site.hook,
      basis: basis.map((direction) => Array.from(direction)),
      share: shareInside(basis, into),
      readShare: read?.share ?? null,
      restored: sharesOf(restored, corrupt, clean),
      lost: sharesOf(lost, clean, corrupt),
      low: finite(low?.[0]),
      high: finite(high?.[0]),
      search: foundOn && {
        pairs: foundOn.size,
        found: shareOn([...foundOn]),
        heldOut: shareOn(heldOut),
      },
    },
  }
}

/** The subspace at a site and, where it was searched, the pairs on which. */
async function subspaceOf(
  model: Model,
  site: Site,
  pairs: readonly SearchedPair[],
  { subspace = 'difference', dimensions = 1, directions, ...options }: SubspacePatchOptions,
  meter: Meter,
): Promise<{ readonly basis: Basis; readonly foundOn: ReadonlySet<number> | null }> {
  if (directions) return { basis: orthonormal(directions), foundOn: null }
  const heldOut = subspace === 'search' && pairs.length >= ENOUGH_TO_HOLD_OUT
  const used = pairs.flatMap((_, i) => (heldOut && i % 2 === 1 ? [] : [i]))
  const own = used.map((i) => pairs[i]!)
  const basis = largestDifferences(own, dimensions)
  if (subspace === 'difference' || basis.length === 0) return { basis, foundOn: null }
  return { basis: await searchSubspace(model, site, own, basis, options, meter), foundOn: new Set(used) }
}

/** The mean difference, and beside it the differences themselves, those first that reach farthest out of the span so far. */
function largestDifferences(pairs: readonly SearchedPair[], count: number): Basis {
  const all = pairs.flatMap(({ difference: { differences } }) => differences)
  const size = all[0]!.length
  const average = Float64Array.from({ length: size }, (_, i) => mean(all.map((difference) => difference[i]!)))
  let basis = orthonormal([average])
  while (basis.length < count) {
    const beyond = all.map(
      (difference) => dot(difference, difference) - basis.reduce((sum, b) => sum + dot(b, difference) ** 2, 0),
    )
    const farthest = all[beyond.indexOf(Math.max(...beyond))]!
    const more = orthonormal([...basis, farthest])
    // Where the runs differ in fewer directions than were asked for, it is filled up with the features themselves.
    basis = more.length > basis.length ? more : orthonormal([...basis, ...unitVectors(size)]).slice(0, count)
  }
  return basis
}

function unitVectors(size: number): Float64Array[] {
  return Array.from({ length: size }, (_, i) => Float64Array.from({ length: size }, (_, j) => Number(i === j)))
}

/** The share of the squared differences that lies in the subspace; 0 where there is no difference. */
function shareInside(basis: Basis, pairs: readonly SearchedPair[]): number {
  const all = pairs.flatMap(({ difference: { differences } }) => differences)
  const square = (list: readonly Float64Array[]) => list.reduce((sum, one) => sum + dot(one, one), 0)
  const whole = square(all)
  return whole === 0 ? 0 : square(all.map((difference) => inside(basis, difference))) / whole
}

/** Mean metrics as shares of the way between the two runs. */
function sharesOf(exchanged: readonly Exchanged[], from: number, to: number): Exchanged {
  const share = (what: (typeof EXCHANGES)[number]) => {
    const values = exchanged.map((one) => one[what])
    return values.includes(null) ? null : finite((mean(values as number[]) - from) / (to - from))
  }
  return { subspace: share('subspace'), rest: share('rest'), whole: share('whole'), read: share('read') }
}

/** Null where runs do not differ, or there are no pairs. */
const finite = (x: number | undefined) => (x !== undefined && Number.isFinite(x) ? x : null)
