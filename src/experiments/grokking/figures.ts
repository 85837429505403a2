import type { Curve } from '../../train/index.ts'
import { type Bar, renderSvg, type Series } from '../../views/index.ts'
import type { ArmResult, Measures } from '../experiment.ts'
import type { PhaseChanges } from '../phase-change.ts'
import type { Phase } from './phases.ts'

/** Points per factor of ten in a figure: more than that no eye can tell apart. */
const PER_DECADE = 30

const overSteps = { xLabel: 'training steps', xScale: 'log' } as const

type Changes = Readonly<Record<'testAccuracy' | 'testLoss' | 'restricted', PhaseChanges>>

/** Pictures of what was found, by file name. */
export function figures(results: readonly ArmResult[]): Readonly<Record<string, string>> {
  const main = results.filter(({ arm }) => arm === 'main')
  const seeds = main.map((result) => Object.entries(ofSeed(result)))
  return {
    loss: lossFigure(main),
    accuracy: accuracyFigure(main),
    controls: controlsFigure(results),
    'embedding-spectrum': spectrumFigure(main),
    'neuron-frequencies': neuronsFigure(main),
    ...Object.fromEntries(seeds.flat()),
  }
}

function lossFigure(main: readonly ArmResult[]): string {
  return renderSvg('curves', {
    title: 'Delayed generalisation: loss on trained and on held-out pairs',
    yLabel: 'loss (nats)',
    yScale: 'log',
    ...overSteps,
    series: main.flatMap(({ seed, measures }) => [
      line(measures, 'trainLoss', `train, seed ${seed}`),
      line(measures, 'testLoss', `test, seed ${seed}`),
    ]),
  })
}

function accuracyFigure(main: readonly ArmResult[]): string {
  return renderSvg('curves', {
    title: 'Delayed generalisation: accuracy on trained and on held-out pairs',
    yLabel: 'accuracy',
    ...overSteps,
    // the last rise of test accuracy that is shorter than anything smooth
    spans: main.flatMap(({ seed, measures }) => {
      const { changes } = (measures.tables.changes as Changes).testAccuracy
      const last = changes.findLast(({ direction }) => direction === 'rise')
      return last ? [{ name: `test, seed ${seed}`, from: last.interval[0], to: last.interval[1] }] : []
    }),
    series: main.flatMap(({ seed, measures }) => [
      line(measures, 'trainAccuracy', `train, seed ${seed}`),
      line(measures, 'testAccuracy', `test, seed ${seed}`),
    ]),
  })
}

function controlsFigure(results: readonly ArmResult[]): string {
  const seeds = new Set(results.filter(({ arm }) => arm !== 'main').map(({ seed }) => seed))
  return renderSvg('curves', {
    title: 'Controls: without weight decay, and with random answers, training pairs are all that is learned',
    yLabel: 'accuracy',
    ...overSteps,
    series: results
      .filter(({ arm, seed }) => arm !== 'main' || seeds.size === 0 || seeds.has(seed))
      .flatMap(({ arm, seed, measures }) => [
        line(measures, 'trainAccuracy', `${arm} train, seed ${seed}`),
        line(measures, 'testAccuracy', `${arm} test, seed ${seed}`),
      ]),
  })
}

function spectrumFigure(main: readonly ArmResult[]): string {
  return renderSvg('curves', {
    title: "Where the embedding's power lies at the end",
    xLabel: 'frequency k',
    yLabel: 'share of the power of W_E',
    series: main.map(({ seed, measures }) => {
      const y = measures.tables.embedding as readonly number[]
      return { name: `seed ${seed}`, x: y.map((_, i) => i + 1), y }
    }),
  })
}

function neuronsFigure(main: readonly ArmResult[]): string {
  const bars = main.flatMap(({ seed, measures }): Bar[] =>
    Object.entries(measures.tables.neurons as Readonly<Record<string, number>>).map(([frequency, count]) => ({
      label: `seed ${seed}, ${frequency === 'none' ? 'none' : `k = ${frequency}`}`,
      value: count,
    })),
  )
  return renderSvg('barList', { title: 'Which frequency most of a neuron is made of', valueLabel: 'neurons', bars })
}

function ofSeed({ seed, measures }: ArmResult): Readonly<Record<string, string>> {
  const shared = { ...overSteps, spans: measures.tables.phases as readonly Phase[] }
  return {
    [`progress-${seed}`]: renderSvg('curves', {
      title: `Progress measures, seed ${seed}`,
      yLabel: 'loss (nats)',
      yScale: 'log',
      ...shared,
      series: [
        line(measures, 'trainLoss', 'train'),
        line(measures, 'testLoss', 'test'),
        line(measures, 'restricted', 'restricted (all pairs)'),
        line(measures, 'excluded', 'excluded (train)'),
      ],
    }),
    [`structure-${seed}`]: renderSvg('curves', {
      title: `What the network is made of, seed ${seed}`,
      yLabel: 'share, or coefficient',
      ...shared,
      series: [
        line(measures, 'giniEmbedding', 'Gini of W_E'),
        line(measures, 'giniNeuronLogit', 'Gini of neurons to logits'),
        line(measures, 'topTenPower', 'power of W_E in ten frequencies'),
        line(measures, 'logitsExplained', "logits' variance in key frequencies"),
        relative(line(measures, 'squares', 'squared weights / their largest')),
      ],
    }),
  }
}

/** A measured curve as a series, thinned evenly in the logarithm of steps; step 0 has no place there. */
function line({ curves }: Measures, name: string, label: string): Series {
  const { x, y } = curves[name]!
  const kept = thinned({ steps: x, values: y })
  return { name: label, x: kept.steps, y: kept.values }
}

function relative({ y, ...series }: Series): Series {
  const values = y.map(Number)
  const largest = Math.max(...values)
  return { ...series, y: values.map((value) => value / largest) }
}

function thinned({ steps, values }: Curve): Curve {
  let last = Number.NaN
  const kept = steps.flatMap((step, i) => {
    const place = Math.floor(Math.log10(step) * PER_DECADE)
    if (step === 0 || place === last) return []
    last = place
    return [i]
  })
  if (kept.at(-1) !== steps.length - 1) kept.push(steps.length - 1)
  return { steps: kept.map((i) => steps[i]!), values: kept.map((i) => values[i]!) }
}
