import { curveOf, type LogEntry } from '../../../train/index.ts'
import type { ViewSpec } from '../../../views/index.ts'

/** Points of a curve that a picture shows apart. */
const POINTS = 600

/** The names in a log whose values are single numbers, or all numbers of short lists. */
export function curveNames(log: readonly LogEntry[]): string[] {
  const names = new Set(
    log.flatMap(({ values }) => Object.keys(values).filter((name) => typeof values[name] === 'number')),
  )
  return [...names].sort()
}

/** Quantities of a log over training, as a picture; null while it has none of them. */
export function curvesOf(log: readonly LogEntry[], names: readonly string[], title: string): ViewSpec | null {
  const there = new Set(curveNames(log))
  const series = names
    .filter((name) => there.has(name))
    .map((name) => {
      const { steps, values } = curveOf(log, name)
      const stride = Math.ceil(steps.length / POINTS)
      const kept = steps.flatMap((step, i) => (step > 0 && (i % stride === 0 || i === steps.length - 1) ? [i] : []))
      return { name, x: kept.map((i) => steps[i]!), y: kept.map((i) => values[i]!) }
    })
    .filter(({ x }) => x.length > 1)
  if (series.length === 0) return null
  return {
    view: 'curves',
    props: { title, series, xLabel: 'step', yLabel: unitOf(names), xScale: 'log' },
  }
}

const unitOf = (names: readonly string[]) => (names.length === 1 ? names[0]! : 'loss (nats)')
