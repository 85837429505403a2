import * as v from 'valibot'
import type { Engine } from '../../engine/index.ts'
import { DiopterError, throwIfAborted, type WorkOptions } from '../../errors/index.ts'
import type { Parameters } from '../../optim/index.ts'
import type { Tensor } from '../../tensor/index.ts'
import { compileEvaluation, type Evaluation } from '../../train/index.ts'
import { type ModularAdditionConfig, modularAddition, modularPairs } from '../../train/tasks/modular-addition.ts'
import type { TrainedRun } from '../experiment.ts'
import { frequencyCount } from './fourier.ts'
import { type KeyFrequencies, keyFrequencies } from './key-frequencies.ts'
import { directionPowers, neuronSpectra, sumMeasures } from './progress-measures.ts'

/** What one set of parameters measures: losses in nats, and spectra of what the network computes and is made of. */
export interface SnapshotMeasures {
  readonly step: number
  readonly train: number
  readonly test: number
  readonly full: number
  readonly restricted: number
  readonly excluded: number
  /** Sum of squared parameters. */
  readonly squares: number
  /** Share of the logits' variance by frequency of the sum: [(p - 1) / 2]. */
  readonly logitShares: readonly number[]
  /** Power of every direction cos 1, sin 1, cos 2 .. in the embedding of numbers, and in the neurons' effects on logits: [p - 1]. */
  readonly embeddingPowers: readonly number[]
  readonly neuronLogitPowers: readonly number[]
}

/** The config of a run of modular addition. Throws for runs of other tasks. */
export function modularConfig({ config }: Pick<TrainedRun, 'config'>): ModularAdditionConfig {
  if (config.task !== modularAddition.name)
    throw new DiopterError(`Grokking is measured on runs of ${modularAddition.name}; this one trained ${config.task}.`)
  return v.parse(modularAddition.schema, config.config)
}

/** The key frequencies of a run's last parameters. */
export async function keyFrequenciesOf(run: TrainedRun, engine: Engine): Promise<KeyFrequencies> {
  const { p } = modularConfig(run)
  const measured = await evaluateOnce(run, engine, {
    name: 'neurons',
    inputs: { tokens: allPairs(run).tokens },
    trace: (parameters, { tokens }) => ({ ...neuronSpectra(traceTables(run, parameters, tokens!).neurons, p) }),
  })
  return keyFrequencies(measured['neurons/shares'] as number[], measured['neurons/variances'] as number[])
}

/** The measures of every snapshot of a run and of its last step, with given key frequencies. */
export async function measureSnapshots(
  run: TrainedRun,
  engine: Engine,
  frequencies: readonly number[],
  { signal, onProgress }: WorkOptions,
): Promise<SnapshotMeasures[]> {
  const evaluate = compileEvaluation(engine, run.problem.parameters, progressEvaluation(run, frequencies))
  const steps = [...new Set([...run.snapshotSteps, run.config.steps])]
  const measured: SnapshotMeasures[] = []
  try {
    for (const [done, step] of steps.entries()) {
      throwIfAborted(signal)
      onProgress?.({ phase: 'snapshots', done, total: steps.length, unit: 'snapshots' })
      const values = await evaluate(step === run.config.steps ? run.parameters : await run.snapshot(step))
      const named = Object.entries(values).map(([name, value]) => [name.replace('progress/', ''), value])
      measured.push({ step, ...Object.fromEntries(named) } as SnapshotMeasures)
    }
  } finally {
    evaluate.release()
  }
  return measured
}

function progressEvaluation(run: TrainedRun, frequencies: readonly number[]): Evaluation {
  const { p } = modularConfig(run)
  const keys = new Float32Array(frequencyCount(p))
  for (const k of frequencies) keys[k - 1] = 1
  return {
    name: 'progress',
    inputs: { ...allPairs(run), keys: { dtype: 'float32', shape: [keys.length], data: keys } },
    trace(parameters, { tokens, answers, trained, keys: kept }) {
      const { logits } = traceTables(run, parameters, tokens!)
      const { shares, ...losses } = sumMeasures(logits, { answers: answers!, trained: trained!, keys: kept! }, p)
      const weight = (name: string) => parameters.get(name)!
      return {
        ...losses,
        squares: [...parameters.values()].map((t) => t.square().sum()).reduce((a, b) => a.add(b)),
        logitShares: shares,
        // [p + 1, d] without the row of `=`
        embeddingPowers: directionPowers(weight('embed.W_E').get(`:${p}`), p),
        // [m, d] x [d, p] -> [p, m]
        neuronLogitPowers: directionPowers(
          weight('blocks.0.mlp.W_out').matmul(weight('unembed.W_U')).transpose(1, 0),
          p,
        ),
      }
    },
  }
}

/** Every pair, row a, column b: tokens [p * p, 3], the answers that were trained, and which pairs were. */
function allPairs(run: TrainedRun): Evaluation['inputs'] & { readonly tokens: Evaluation['inputs'][string] } {
  const config = modularConfig(run)
  const count = config.p ** 2
  const { train, test } = modularPairs(config, run.config.seed)
  const tokens = new BigInt64Array(count * 3)
  const answers = new BigInt64Array(count)
  const trained = new Float64Array(count)
  for (const part of [train, test]) {
    part.places.forEach((place, i) => {
      tokens.set(part.tokens.subarray(3 * i, 3 * i + 3), 3 * place)
      answers[place] = part.answers[i]!
      trained[place] = part === train ? 1 : 0
    })
  }
  return {
    tokens: { dtype: 'int64', shape: [count, 3], data: tokens },
    answers: { dtype: 'int64', shape: [count], data: answers },
    trained: { dtype: 'float64', shape: [count], data: trained },
  }
}

/** Logits [pairs, p] and neurons' activations [pairs, d_mlp] at the last token. */
function traceTables(run: TrainedRun, parameters: Parameters, tokens: Tensor): { logits: Tensor; neurons: Tensor } {
  const { model } = run.problem
  if (!model) throw new DiopterError('The problem of this run has no model, so it has no logits to measure.')
  let neurons: Tensor | undefined
  const logits = model.logits(parameters, tokens, (name, x) => {
    if (name === 'blocks.0.mlp.hook_post') neurons = x
    return x
  })
  return { logits: logits.get(':', -1), neurons: neurons!.get(':', -1) }
}

async function evaluateOnce({ problem, parameters }: TrainedRun, engine: Engine, evaluation: Evaluation) {
  const evaluate = compileEvaluation(engine, problem.parameters, evaluation)
  try {
    return await evaluate(parameters)
  } finally {
    evaluate.release()
  }
}
