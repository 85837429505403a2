import type { Trial } from './trials.ts'

/** Quantiles of effect size within which breakages and sound cases are made equally many. */
const BINS = 8

/**
 * As many breakages as sound cases at every effect size: of each of `BINS` quantiles of all effects, the first trials of either
 * kind, as many as the rarer kind has there. A check that only sees strong models would otherwise look good.
 */
export function matchEffects(trials: readonly Trial[]): Trial[] {
  const sorted = trials.map(({ effect }) => effect).sort((a, b) => a - b)
  const edges = Array.from({ length: BINS - 1 }, (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / BINS)]!)
  const binOf = ({ effect }: Trial) => edges.filter((edge) => effect >= edge).length
  return Array.from({ length: BINS }, (_, bin) => {
    const own = trials.filter((trial) => binOf(trial) === bin)
    const [broken, sound] = [true, false].map((is) => own.filter(({ isBreakage }) => isBreakage === is))
    const count = Math.min(broken!.length, sound!.length)
    return [...broken!.slice(0, count), ...sound!.slice(0, count)]
  }).flat()
}

/** A point of the receiver operating characteristic: what a threshold at `suspicion` detects, and its false alarms. */
export interface RocPoint {
  readonly suspicion: number
  readonly falseAlarms: number
  readonly detection: number
}

/** The characteristic, from the strictest threshold (nothing fires) to the loosest. Shares are NaN where a kind is missing. */
export function rocCurve(trials: readonly Trial[]): RocPoint[] {
  const [broken, sound] = [true, false].map((is) => trials.filter(({ isBreakage }) => isBreakage === is))
  const share = (list: readonly Trial[], least: number) =>
    list.filter(({ suspicion }) => suspicion >= least).length / list.length
  const thresholds = [...new Set(trials.map(({ suspicion }) => suspicion))].sort((a, b) => b - a)
  return [Number.POSITIVE_INFINITY, ...thresholds].map((suspicion) => ({
    suspicion,
    falseAlarms: share(sound!, suspicion),
    detection: share(broken!, suspicion),
  }))
}

/** The points at which a characteristic turns: the others lie on the straight lines between them. */
export function corners(roc: readonly RocPoint[]): RocPoint[] {
  return roc.filter((point, i) => {
    const [before, after] = [roc[i - 1], roc[i + 1]]
    if (!before || !after) return true
    const [rise, run] = [point.detection - before.detection, point.falseAlarms - before.falseAlarms]
    const turn = rise * (after.falseAlarms - point.falseAlarms) - run * (after.detection - point.detection)
    return Math.abs(turn) > 1e-12
  })
}

/** Area under the characteristic: how often a breakage is more suspicious than a sound case; ties count half. */
export function areaUnder(roc: readonly RocPoint[]): number {
  let area = 0
  for (let i = 1; i < roc.length; i++)
    area += ((roc[i]!.falseAlarms - roc[i - 1]!.falseAlarms) * (roc[i]!.detection + roc[i - 1]!.detection)) / 2
  return area
}

/** What a check is worth on matched trials. */
export function score(trials: readonly Trial[]): Readonly<Record<string, number>> {
  const matched = matchEffects(trials)
  const [broken, sound] = [true, false].map((is) => matched.filter(({ isBreakage }) => isBreakage === is))
  const fired = (list: readonly Trial[]) => list.filter(({ isFired }) => isFired).length / list.length
  // nothing is known of a check where a kind is missing
  const isKnown = broken!.length > 0
  const roc = rocCurve(matched)
  const allowed = roc.filter(({ falseAlarms }) => falseAlarms <= 0.05).map(({ detection }) => detection)
  return {
    trials: trials.length,
    breakages: broken!.length,
    sound: sound!.length,
    detection: fired(broken!),
    falseAlarms: fired(sound!),
    area: isKnown ? areaUnder(roc) : Number.NaN,
    // what the best threshold with at most 5 % of false alarms would detect
    attainable: isKnown ? Math.max(...allowed) : Number.NaN,
  }
}
