import { renderSvg } from '../../views/index.ts'
import type { ArmResult } from '../experiment.ts'
import { structures } from './closed-form.ts'
import { polytopeFractions } from './geometry.ts'
import type { GeometryPoint } from './geometry-sweep.ts'
import type { PhaseDiagram } from './phases.ts'
import type { Polygon } from './polygons.ts'

/** Pictures of what was found, by file name. */
export function figures(results: readonly ArmResult[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    results
      .flatMap((result): [string, string][] => {
        const { pictures, diagram } = result.measures.tables
        if (pictures) return polygonFigures(result, pictures as readonly Polygon[])
        if (diagram) return phaseFigures(result, diagram as PhaseDiagram)
        return []
      })
      .concat(geometryFigures(results.filter(({ measures }) => measures.tables.sweep))),
  )
}

function polygonFigures({ arm, seed }: ArmResult, pictures: readonly Polygon[]): [string, string][] {
  const sparsest = pictures.reduce((a, b) => (b.density < a.density ? b : a))
  const labels = sparsest.norms.map((_, i) => `feature ${i}`)
  return [
    [
      `${arm}-${seed}`,
      renderSvg('directions', {
        title: `Directions of the features, ${arm}, seed ${seed}`,
        panels: pictures.map(({ density, directions }) => ({
          name: `density ${density}`,
          directions: directions.map(([x, y], i) => ({ label: labels[i]!, x: x!, y: y! })),
        })),
      }),
    ],
    [
      `${arm}-overlaps-${seed}`,
      renderSvg('heatMap', {
        title: `What features add to each other's outputs (W W^T) at density ${sparsest.density}, ${arm}, seed ${seed}`,
        values: sparsest.overlaps,
        rowLabels: labels,
        columnLabels: labels,
        rowAxis: 'output',
        columnAxis: 'input',
        valueLabel: 'overlap',
        domain: [-1.5, 1.5],
      }),
    ],
  ]
}

function phaseFigures({ arm, seed }: ArmResult, diagram: PhaseDiagram): [string, string][] {
  const picture = (title: string, cells: PhaseDiagram['found']) =>
    renderSvg('heatMap', {
      title,
      values: cells.map((row) => row.map((cell) => (cell === 'other' ? null : structures.indexOf(cell)))),
      rowLabels: diagram.densities.map(String),
      columnLabels: diagram.importances.map(String),
      rowAxis: 'density',
      columnAxis: 'relative importance of the extra feature',
      valueLabel: 'structure',
      scale: 'sequential',
      domain: [0, structures.length - 1],
      references: structures.map((label, value) => ({ label, value })),
    })
  return [
    [`${arm}-found-${seed}`, picture(`What became of the extra feature, ${arm}, seed ${seed}`, diagram.found)],
    [`${arm}-theory`, picture(`The structure of least expected loss, ${arm}`, diagram.predicted)],
  ]
}

/** Bins of the histogram of D_i. */
const BINS = 40

function geometryFigures(results: readonly ArmResult[]): [string, string][] {
  if (results.length === 0) return []
  const sweepOf = ({ measures }: ArmResult) => measures.tables.sweep as readonly GeometryPoint[]
  const ends = [1, 1 / Math.min(...results.flatMap(sweepOf).map(({ density }) => density))]
  return [
    [
      'dimensions-per-feature',
      renderSvg('curves', {
        title: 'Dimensions per represented feature, D* = m / |W|^2',
        xLabel: '1 / density',
        yLabel: 'D*',
        xScale: 'log',
        series: [
          ...results.map((result) => ({
            name: `seed ${result.seed}`,
            x: sweepOf(result).map(({ density }) => 1 / density),
            y: sweepOf(result).map(({ dStar }) => dStar),
          })),
          { name: '1/2: pairs', x: ends, y: [1 / 2, 1 / 2] },
        ],
      }),
    ],
    ...results.map((result): [string, string] => [
      `dimensionalities-${result.seed}`,
      histogram(result.seed, sweepOf(result)),
    ]),
  ]
}

/** How many features have which D_i, over all densities that share dimensions. */
function histogram(seed: number, sweep: readonly GeometryPoint[]): string {
  const counts = new Array<number>(BINS).fill(0)
  for (const one of sweep.flatMap(({ dimensionalities }) => dimensionalities)) {
    counts[Math.min(BINS - 1, Math.floor(one * BINS))]!++
  }
  return renderSvg('barList', {
    title: `Dimensionality of features at all densities, seed ${seed} (fractions of polytopes: ${polytopeFractions.map((one) => one.toFixed(3)).join(', ')})`,
    valueLabel: 'features',
    bars: counts.map((value, i) => ({ label: `${(i / BINS).toFixed(3)} to ${((i + 1) / BINS).toFixed(3)}`, value })),
  })
}
