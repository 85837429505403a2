import type { Activation, Edit, Model } from '../../lab/index.ts'
import { type Direction, type PreparedPair, type Route, routeOf } from '../patching/prompt-pair.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { AskedMetric } from '../shared/question.ts'
import type { Meter } from '../shared/result.ts'
import { sweep } from '../shared/sweep.ts'
import { type Basis, inside, outside } from './subspace.ts'
import { type Site, type SiteDifference, siteDifference } from './subspace-site.ts'

/** A pair with the metric of both runs, and their activations at all sites. */
export interface RoutedPair {
  readonly asked: AskedMetric
  readonly intoCorrupt: Route
  readonly intoClean: Route
  readonly clean: number
  readonly corrupt: number
  readonly captures: Readonly<Record<'clean' | 'corrupt', Readonly<Record<string, Activation>>>>
}

/** Runs both prompts of a pair and keeps what the sites need. */
export async function routedPair(
  pair: PreparedPair,
  sites: readonly Site[],
  { edits, signal }: MethodOptions,
  meter: Meter,
): Promise<RoutedPair> {
  const hooks = [...new Set(sites.map(({ hook }) => hook))]
  const { asked } = pair
  const run = (ids: readonly number[]) => meter.run([ids], { capture: hooks, metric: asked.metric, edits, signal })
  const [clean, corrupt] = [await run(pair.clean.ids), await run(pair.corrupt.ids)]
  return {
    asked,
    intoCorrupt: routeOf(pair, 'clean_into_corrupted'),
    intoClean: routeOf(pair, 'corrupted_into_clean'),
    clean: clean.metric![0]!,
    corrupt: corrupt.metric![0]!,
    captures: { clean: clean.captures, corrupt: corrupt.captures },
  }
}

/** What differs between a pair's runs at a site, as it is patched in this direction. */
export function differenceAt(
  site: Site,
  { intoCorrupt, intoClean, captures }: RoutedPair,
  direction: Direction,
  positions: readonly number[] | undefined,
): SiteDifference {
  const into = direction === 'clean_into_corrupted'
  const [source, target] = into
    ? ([captures.clean, captures.corrupt] as const)
    : ([captures.corrupt, captures.clean] as const)
  return siteDifference(site, into ? intoCorrupt : intoClean, positions, source[site.hook]!, target[site.hook]!)
}

/** What is exchanged: the subspace, all that lies beside it, the whole activation, or the part of the subspace that is read. */
export const EXCHANGES = ['subspace', 'rest', 'whole', 'read'] as const
/** A number per exchange; null for `read` where no single weight reads the activation, and for shares where the runs do not differ. */
export type Exchanged = Readonly<Record<(typeof EXCHANGES)[number], number | null>>

/** The metric of one pair after every exchange at a site, in one direction. */
export async function exchange(
  model: Model,
  pair: RoutedPair,
  direction: Direction,
  { differences, edit }: SiteDifference,
  basis: Basis,
  read: Basis | null,
  options: MethodOptions,
  meter: Meter,
): Promise<Exchanged> {
  const edits: Edit[] = [
    edit(differences.map((difference) => inside(basis, difference))),
    edit(differences.map((difference) => outside(basis, difference))),
    edit(differences),
    ...(read ? [edit(differences.map((difference) => inside(read, difference)))] : []),
  ]
  const { target } = direction === 'clean_into_corrupted' ? pair.intoCorrupt : pair.intoClean
  const { values } = await sweep(
    model,
    target.ids,
    edits.map((one) => [one]),
    pair.asked.metric,
    options,
    meter,
  )
  const [subspace, rest, whole] = values as [number, number, number]
  return { subspace, rest, whole, read: values[3] ?? null }
}
