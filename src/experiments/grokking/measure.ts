import { throwIfAborted } from '../../errors/index.ts'
import { type Curve, curveOf } from '../../train/index.ts'
import type { ArmContext, Measures } from '../experiment.ts'
import { detectPhaseChanges, type PhaseChange, type PhaseChanges } from '../phase-change.ts'
import { gini, powerByFrequency, topShare } from './fourier.ts'
import type { KeyFrequencies } from './key-frequencies.ts'
import { phasesOf } from './phases.ts'
import { keyFrequenciesOf, measureSnapshots, modularConfig, type SnapshotMeasures } from './snapshot-measures.ts'
import { halfwayAfter, progressBefore, type Transition, transitionsOf, valueAt } from './transitions.ts'

/** A neuron of one frequency has more than this of its variance explained by it (the published threshold). */
const ONE_FREQUENCY = 0.85

/** Curves simulated for each p-value of a phase change. */
const NULLS = 200

/** Measures one run of modular addition: transitions, losses of the circuit and of the rest, structure, phases. */
export async function measureGrokking(context: ArmContext): Promise<Measures> {
  const { engine, seed, signal } = context
  const run = context.run!
  const { p } = modularConfig(run)
  const keys = await keyFrequenciesOf(run, engine)
  const snapshots = await measureSnapshots(run, engine, keys.frequencies, context)
  const transitions = transitionsOf(run.log)
  const logged = (name: string) => curveOf(run.log, name)
  const [testLoss, testAccuracy] = [logged('test/loss'), logged('test/accuracy')]
  const over = (value: (one: SnapshotMeasures) => number): Curve => ({
    steps: snapshots.map(({ step }) => step),
    values: snapshots.map(value),
  })
  const [restricted, excluded] = [over((one) => one.restricted), over((one) => one.excluded)]
  const structure = {
    giniEmbedding: over((one) => gini(one.embeddingPowers)),
    giniNeuronLogit: over((one) => gini(one.neuronLogitPowers)),
    topTenPower: over((one) => topShare(powerByFrequency(one.embeddingPowers), 10)),
    logitsExplained: over((one) => keys.frequencies.reduce((sum, k) => sum + one.logitShares[k - 1]!, 0)),
  }
  const changesIn = (curve: Curve, values: 'linear' | 'log') => {
    throwIfAborted(signal)
    return detectPhaseChanges(curve, { scale: 'log', values, seed, nulls: NULLS })
  }
  const changes = {
    testAccuracy: changesIn(testAccuracy, 'linear'),
    testLoss: changesIn(testLoss, 'log'),
    restricted: changesIn(restricted, 'log'),
  }
  const phases = phasesOf(snapshots, transitions)
  const last = snapshots.at(-1)!
  const [e1, e2] = [stepOf(transitions.memorised), stepOf(transitions.generalised)]
  const between = (measured: (from: number, until: number) => number) =>
    Number.isNaN(e1 + e2) ? Number.NaN : measured(e1, e2)
  const lastOf = ({ values }: Curve) => values.at(-1)!
  return {
    scalars: {
      memorised: transitions.memorised ? 1 : 0,
      ...{ memorisedAt: e1, generalisedAt: e2, firstGeneralisedAt: stepOf(transitions.firstGeneralised) },
      delay: e2 / e1,
      ...{ trainAccuracy: lastOf(logged('train/accuracy')), testAccuracy: lastOf(testAccuracy) },
      bestTestAccuracy: Math.max(...testAccuracy.values),
      ...{ trainLoss: last.train, testLoss: last.test, fullLoss: last.full },
      ...{ restrictedLoss: last.restricted, excludedLoss: last.excluded },
      hiddenProgress: between((from, until) => progressBefore(restricted, testLoss, from, until, 0.1)),
      excludedRise: between((from, until) => valueAt(excluded, until) - valueAt(excluded, from)),
      restrictedOverFull: last.restricted / last.full,
      excludedOverUniform: last.excluded / Math.log(p),
      keyFrequencies: keys.frequencies.length,
      oneFrequencyNeurons: shareAbove(keys, ONE_FREQUENCY),
      ...Object.fromEntries(Object.entries(structure).map(([name, curve]) => [name, lastOf(curve)])),
      squares: last.squares,
      giniEmbeddingAtE2: between((_, until) => valueAt(structure.giniEmbedding, until)),
      topTenPowerAtE2: between((_, until) => valueAt(structure.topTenPower, until)),
      restrictedHalfway: between((from) => halfwayAfter(restricted, from)),
      giniEmbeddingHalfway: between((from) => halfwayAfter(structure.giniEmbedding, from)),
      testLossHalfway: between((from) => halfwayAfter(testLoss, from)),
      ...Object.fromEntries(phases.map(({ name, to }) => [`until/${name}`, to])),
      ...changeScalars('testAccuracy', changes.testAccuracy, 'rise'),
      ...changeScalars('testLoss', changes.testLoss, 'fall'),
      ...changeScalars('restricted', changes.restricted, 'fall'),
    },
    curves: Object.fromEntries(
      Object.entries({
        trainLoss: logged('train/loss'),
        trainAccuracy: logged('train/accuracy'),
        ...{ testLoss, testAccuracy, restricted, excluded, ...structure },
        squares: logged('weights/squares'),
      }).map(([name, { steps, values }]) => [name, { x: steps, y: values }]),
    ),
    tables: {
      transitions,
      phases,
      changes,
      neurons: neuronCounts(keys),
      embedding: shares(powerByFrequency(last.embeddingPowers)),
    },
  }
}

const stepOf = (transition: Transition | null) => transition?.to ?? Number.NaN

/** How many phase changes a curve has, how many of the detector's checks failed, and its last change for the better. */
function changeScalars(
  curve: string,
  { changes, checks }: PhaseChanges,
  better: PhaseChange['direction'],
): Record<string, number> {
  const name = (what: string) => `phaseChange/${curve}/${what}`
  const failed = checks.filter(({ verdict }) => verdict === 'fails').length
  const counts = { [name('count')]: changes.length, [name('failedChecks')]: failed }
  const last = changes.findLast(({ direction }) => direction === better)
  if (!last) return counts
  const { interval, center, effect, sharpness, pValue } = last
  return {
    ...counts,
    ...{ [name('from')]: interval[0], [name('center')]: center, [name('to')]: interval[1] },
    ...{ [name('share')]: effect.share, [name('sharpness')]: sharpness, [name('pValue')]: pValue },
  }
}

function shareAbove({ explained }: KeyFrequencies, least: number): number {
  return explained.filter((share) => share > least).length / explained.length
}

/** How many neurons claim each key frequency, and how many none. */
function neuronCounts({ frequencies, ofNeurons }: KeyFrequencies): Record<string, number> {
  const claims = (frequency: number | null) => ofNeurons.filter((one) => one === frequency).length
  return { ...Object.fromEntries(frequencies.map((k) => [k, claims(k)])), none: claims(null) }
}

function shares(values: readonly number[]): number[] {
  const total = values.reduce((sum, value) => sum + value, 0)
  return values.map((value) => value / total)
}
