import { STRETCHES } from '../../train/tasks/induction/evaluations.ts'
import { renderSvg, type Series } from '../../views/index.ts'
import type { ArmResult } from '../experiment.ts'
import { isAmong } from './circuit.ts'
import type { InductionTables } from './measure.ts'
import type { HeadCurves } from './over-training.ts'

/** SVG pictures: learning from context and losses of all arms and seeds; heads, positions and composition of each run with two layers. */
export function inductionFigures(results: readonly ArmResult[]): Record<string, string> {
  const figures: Record<string, string> = { 'in-context': inContextFigure(results), loss: lossFigure(results) }
  for (const result of results) {
    const { config, ablation } = tablesOf(result)
    if (config.n_layers === 1) continue
    figures[`heads-${nameOf(result)}`] = headsFigure(result)
    figures[`formation-${nameOf(result)}`] = formationFigure(result)
    figures[`positions-${nameOf(result)}`] = positionsFigure(result)
    figures[`key-composition-${nameOf(result)}`] = compositionFigure(result)
    if (ablation) figures[`ablation-${nameOf(result)}`] = ablationFigure(result)
  }
  return figures
}

const tablesOf = ({ measures }: ArmResult) => measures.tables.induction as InductionTables
const nameOf = ({ arm, seed }: ArmResult) => `${arm}-${seed}`

/** The stretch of training in which the heads formed, shaded. */
function formationSpans({ formation: { start, end } }: InductionTables) {
  return Number.isNaN(start + end) ? [] : [{ name: '10-90 % of prefix matching', from: start, to: end }]
}

function curveOfRun(result: ArmResult, curve: string, name = `${result.arm}, seed ${result.seed}`): Series {
  return { name, ...result.measures.curves[curve]! }
}

/** A series for a logarithmic axis, on which step 0 has no place. */
function withoutStart({ name, x, y }: Series): Series {
  return { name, x: x.slice(1), y: y.slice(1) }
}

function inContextFigure(results: readonly ArmResult[]): string {
  return renderSvg('curves', {
    title: 'Learning from context: loss late in the context minus loss early in it',
    xLabel: 'training step',
    yLabel: 'late minus early loss (nats); below 0 the model uses its context',
    series: results.map((result) => curveOfRun(result, 'inContext')),
  })
}

function lossFigure(results: readonly ArmResult[]): string {
  return renderSvg('curves', {
    title: 'Held-out loss: two layers leave the one-layer curve in a bump of their own',
    xLabel: 'training step',
    yLabel: 'loss on held-out text (nats)',
    xScale: 'log',
    series: results.map((result) => withoutStart(curveOfRun(result, 'textLoss'))),
    spans: results.slice(0, 1).flatMap((result) => formationSpans(tablesOf(result))),
  })
}

function headsFigure(result: ArmResult): string {
  const tables = tablesOf(result)
  const name = ({ layer, head }: HeadCurves) => `L${layer}H${head}`
  const series = tables.heads.flatMap((one): Series[] => {
    const { layer, prefixMatching, previousToken } = one
    // early layers can look one back, the last can match prefixes: other pairs stay near zero
    return layer === tables.config.n_layers - 1
      ? [{ name: `${name(one)} prefix matching`, x: prefixMatching.steps, y: prefixMatching.values }]
      : [{ name: `${name(one)} previous token`, x: previousToken.steps, y: previousToken.values }]
  })
  return renderSvg('curves', {
    title: `Attention of every head over training (${result.arm}, seed ${result.seed})`,
    xLabel: 'training step',
    yLabel: 'mean attention: to the previous token (layer 0), to what followed the same token (layer 1)',
    series,
    spans: formationSpans(tables),
  })
}

/** What comes first: every quantity as a share of its way from its first to its last value. */
function formationFigure(result: ArmResult): string {
  const quantities = {
    bestPreviousToken: 'previous-token attention, best head',
    keyComposition: 'key composition, strongest pair (z)',
    bestPrefix: 'prefix matching, best head',
    copying: 'copying, mean of induction heads',
    inContext: 'in-context-learning score',
    twoBack: 'attention two back, best head',
    twoTokenShare: 'two-token matches, share of attention',
  }
  return renderSvg('curves', {
    title: `How the circuit forms (${result.arm}, seed ${result.seed})`,
    xLabel: 'training step',
    yLabel: 'share of the way from the first to the last value',
    series: Object.entries(quantities)
      .filter(([curve]) => curve in result.measures.curves)
      .map(([curve, name]) => progress(curveOfRun(result, curve, name))),
    spans: formationSpans(tablesOf(result)),
  })
}

/** 0 at the first value, 1 at the last. */
function progress({ name, x, y }: Series): Series {
  const values = y.map(Number)
  const [first, last] = [values[0]!, values.at(-1)!]
  return { name, x, y: values.map((value) => (value - first) / (last - first)) }
}

function positionsFigure(result: ArmResult): string {
  const { byPosition, config } = tablesOf(result)
  const width = config.n_ctx / STRETCHES
  return renderSvg('curves', {
    title: `Held-out loss by position before, during and after the change (${result.arm}, seed ${result.seed})`,
    xLabel: 'position in the context',
    yLabel: 'loss (nats)',
    series: byPosition.map(({ step, losses }) => ({
      name: `step ${step}`,
      x: losses.map((_, i) => (i + 0.5) * width),
      y: losses,
    })),
  })
}

function ablationFigure(result: ArmResult): string {
  const { ablation, circuit } = tablesOf(result)
  const { others, othersButTwoBack, ...shares } = ablation!
  return renderSvg('barList', {
    title: `What of learning from context goes when heads are mean-ablated (${result.arm}, seed ${result.seed})`,
    valueLabel: 'share of the in-context-learning score removed',
    bars: [
      { label: `${circuit.induction.length} induction heads`, value: shares.induction },
      { label: `${circuit.previousToken.length} previous-token heads`, value: shares.previousToken },
      { label: 'the same, later patterns kept', value: shares.previousTokenPatternsKept },
      ...(circuit.twoBack.length > 0
        ? [{ label: `${circuit.twoBack.length} two-back heads`, value: shares.twoBack }]
        : []),
      ...others.map((value, i) => ({ label: `other heads, set ${i + 1}`, value })),
      ...othersButTwoBack.map((value, i) => ({ label: `without two-back heads, set ${i + 1}`, value })),
    ],
  })
}

function compositionFigure(result: ArmResult): string {
  const { measured, config, circuit } = tablesOf(result)
  const [strongest] = measured.composition.K
  const { from, to } = strongest!
  const heads = Array.from({ length: config.n_heads }, (_, head) => head)
  const roles = [
    { name: 'induction', members: circuit.induction },
    { name: 'previous token', members: circuit.previousToken },
    { name: 'two back', members: circuit.twoBack },
  ]
  const label = (layer: number, head: number) => {
    const role = roles.find(({ members }) => isAmong({ layer, head }, members))
    return `L${layer}H${head}${role ? ` (${role.name})` : ''}`
  }
  const z = (earlier: number, later: number) =>
    measured.composition.K.find(
      (pair) =>
        isAmong(pair.from, [{ layer: from.layer, head: earlier }]) &&
        isAmong(pair.to, [{ layer: to.layer, head: later }]),
    )!.z
  return renderSvg('heatMap', {
    title: `Key composition of first-layer with second-layer heads (${result.arm}, seed ${result.seed})`,
    values: heads.map((earlier) => heads.map((later) => z(earlier, later))),
    rowLabels: heads.map((head) => label(from.layer, head)),
    columnLabels: heads.map((head) => label(to.layer, head)),
    rowAxis: 'head that writes',
    columnAxis: 'head whose keys read',
    valueLabel: 'standard deviations above random heads',
  })
}
