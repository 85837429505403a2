/** Most points of a drawn curve. */
const MOST_POINTS = 90

/** A curve over steps from 1 on, averaged within stretches that are equal on a log axis, where it has more points than can be drawn. */
export function logBinned({ x, y }: { readonly x: readonly number[]; readonly y: readonly number[] }): {
  x: number[]
  y: number[]
} {
  const last = Math.log(Math.max(2, ...x.slice(-1)))
  const bins = new Map<number, { count: number; x: number; y: number }>()
  x.forEach((step, i) => {
    if (step < 1) return
    const at = Math.floor((Math.log(step) / last) * (MOST_POINTS - 1))
    const bin = bins.get(at) ?? { count: 0, x: 0, y: 0 }
    bins.set(at, { count: bin.count + 1, x: bin.x + step, y: bin.y + y[i]! })
  })
  const points = [...bins.values()]
  return { x: points.map((bin) => bin.x / bin.count), y: points.map((bin) => bin.y / bin.count) }
}
