import type { Engine } from '../../engine/index.ts'
import { throwIfAborted, type WorkOptions } from '../../errors/index.ts'
import { type ComposedPair, compositionScores, rankPairs } from '../../methods/circuits/composition.ts'
import { copyingScores } from '../../methods/heads/copying.ts'
import type { Curve } from '../../train/index.ts'
import type { TrainedRun } from '../experiment.ts'
import { openTrainedModel } from '../trained-model.ts'
import type { Texts } from './ablation.ts'
import { type Circuit, isAmong, repeatedTokensOf } from './circuit.ts'
import { type LongerMatches, longerMatches } from './longer-matches.ts'

/** What weights and outputs say about the finished circuit's heads at every kept step of training. */
export interface CircuitOverTraining {
  /** Key composition of one pair, in standard deviations of random heads. */
  readonly keyComposition: Curve
  /** The mean copying score of the induction heads. */
  readonly copying: Curve
  /** The largest attention of an earlier head to the token two back. */
  readonly twoBack: Curve
  /** See `LongerMatches`. */
  readonly twoTokenShare: Curve
}

/** What is measured on every snapshot. */
export interface SnapshotQuestions {
  readonly pair: Pick<ComposedPair, 'from' | 'to'>
  readonly vocabulary: number
  readonly texts: Texts
}

/** Texts on which attention two back is measured at every snapshot. */
const TEXTS = 4

/** Measures the circuit that a run ended with in every snapshot. */
export async function circuitOverTraining(
  run: TrainedRun,
  { induction }: Circuit,
  { pair, vocabulary, texts }: SnapshotQuestions,
  { engine, seed, signal, onProgress }: WorkOptions & { readonly engine: Engine; readonly seed: number },
): Promise<CircuitOverTraining> {
  const steps = run.snapshotSteps
  const keyComposition: number[] = []
  const copying: number[] = []
  const longer: LongerMatches[] = []
  for (const step of steps) {
    throwIfAborted(signal)
    const model = await openTrainedModel(run.problem, await run.snapshot(step), engine)
    try {
      const pairs = rankPairs(await compositionScores(model, { seed, signal }), 'K')
      keyComposition.push(pairs.find(({ from, to }) => isAmong(from, [pair.from]) && isAmong(to, [pair.to]))!.z)
      const scores = await copyingScores(model, repeatedTokensOf(model, vocabulary, seed), { signal })
      const ofInduction = scores.flatMap((score) => induction.map(({ layer, head }) => score[layer]![head]!))
      copying.push(ofInduction.reduce((sum, score) => sum + score, 0) / ofInduction.length)
      longer.push(await longerMatches(model, induction, texts.reference.slice(0, TEXTS), { signal }))
    } finally {
      await model.dispose()
    }
    onProgress?.({ phase: 'measuring snapshots', done: copying.length, total: steps.length, unit: 'snapshots' })
  }
  const curve = (values: readonly number[]): Curve => ({ steps, values })
  return {
    keyComposition: curve(keyComposition),
    copying: curve(copying),
    twoBack: curve(longer.map(({ twoBack }) => Math.max(...twoBack.map(({ score }) => score)))),
    twoTokenShare: curve(longer.map(({ twoTokenShare }) => twoTokenShare)),
  }
}
