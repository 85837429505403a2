import * as v from 'valibot'
import type { Parameter, Parameters } from '../../optim/index.ts'
import { uniformValues } from '../../random/index.ts'
import { constant, einsum, type Tensor, tensor } from '../../tensor/index.ts'
import type { Evaluation, Problem, Task } from '../problem.ts'
import { initialValues } from '../trainable-model.ts'

const size = v.pipe(v.number(), v.integer(), v.minValue(1))
const positive = v.pipe(v.number(), v.gtValue(0))

const schema = v.strictObject({
  /** n: how many features an input has. */
  features: v.optional(size, 5),
  /** m: how many dimensions they are squeezed into. */
  hidden: v.optional(size, 2),
  /** What follows W^T W x + b; `linear` models have no use for superposition. */
  output: v.optional(v.picklist(['relu', 'linear']), 'relu'),
  /** Chances that a feature is not zero (1 - S); every density is a model of its own. */
  densities: v.optional(v.pipe(v.array(v.pipe(positive, v.maxValue(1))), v.minLength(1)), [1, 0.3, 0.1, 0.03]),
  /** Feature i weighs decay^i in the loss. */
  importanceDecay: v.optional(v.pipe(positive, v.maxValue(1)), 1),
  /** The last feature's importance is multiplied by this; every factor is crossed with every density. */
  lastImportances: v.optional(v.pipe(v.array(positive), v.minLength(1)), [1]),
  /** Models of every kind, from other first values: the best of them counts, for there are local minima. */
  copies: v.optional(size, 8),
  batch: v.optional(size, 1024),
  /** Held-out examples on which the models are compared. */
  evaluated: v.optional(size, 4096),
})

/** The toy models that one training holds: all densities, importances and copies. */
export type SuperpositionConfig = v.InferOutput<typeof schema>

/** One of the models that train side by side. */
export interface SuperpositionModel {
  readonly density: number
  readonly lastImportance: number
  readonly copy: number
}

/** The models in the order of the instance axis: densities, then importances of the last feature, then copies. */
export function superpositionModels({ densities, lastImportances, copies }: SuperpositionConfig): SuperpositionModel[] {
  return densities.flatMap((density) =>
    lastImportances.flatMap((lastImportance) =>
      Array.from({ length: copies }, (_, copy) => ({ density, lastImportance, copy })),
    ),
  )
}

/** What feature `i` weighs in the loss of a model. */
export function featureImportance(
  { features, importanceDecay }: Pick<SuperpositionConfig, 'features' | 'importanceDecay'>,
  lastImportance: number,
  i: number,
): number {
  return importanceDecay ** i * (i === features - 1 ? lastImportance : 1)
}

/**
 * Toy models of superposition (Elhage et al. 2022): x' = relu(W^T W x + b) for sparse x, many models side by side.
 *
 * All models see the same uniform numbers u, fresh at every step: x = 0 where u is below the sparsity S, and
 * (u - S) / (1 - S) elsewhere, which is uniform on [0, 1) there. Every model by itself sees independent examples; only the
 * luck of the draw is shared between models, which makes comparing them fairer.
 */
export const superposition: Task<SuperpositionConfig> = {
  name: 'superposition',
  description: 'Sparse features through a bottleneck: how more features than dimensions are stored (superposition).',
  schema,
  settings: {
    steps: 10_000,
    optimiser: { name: 'adam', learningRate: 1e-3 },
    stepsPerRun: 10,
    logEvery: 10,
    evaluate: { perDecade: 20 },
  },

  create(config, seed): Problem {
    const { features, hidden, batch } = config
    const models = superpositionModels(config)
    const parameters: Parameter[] = [
      { name: 'W', shape: [models.length, features, hidden], decays: true },
      { name: 'b', shape: [models.length, features], decays: false },
    ]
    const lossOf = modelLosses(config, models)
    const evaluation: Evaluation = {
      name: 'models',
      inputs: {
        uniform: {
          dtype: 'float32',
          shape: [config.evaluated, features],
          data: uniformValues(config.evaluated * features, seed, 'held out'),
        },
      },
      // per model: the held-out loss, and ||W||_F^2, which is about the number of features that are represented
      trace: (values, { uniform }) => ({
        loss: lossOf(values, uniform!),
        squares: values.get('W')!.square().sum([1, 2]),
      }),
    }
    return {
      parameters,
      initial: () => initialValues(parameters, seed, (name) => (name === 'W' ? Math.sqrt(2 / (features + hidden)) : 0)),
      batch: { uniform: { dtype: 'float32', shape: [batch, features] } },
      microBatch: (index) => ({ uniform: uniformValues(batch * features, seed, 'batch', index) }),
      // the sum over models: each one's gradient is its own
      loss: (values, { uniform }) => ({ loss: lossOf(values, uniform!).sum() }),
      evaluations: [evaluation],
      tokensPerBatch: batch,
    }
  },
}

/** The inputs [K, B, n] of the models from uniform numbers [B, n]: 0 below the sparsity, spread evenly over [0, 1) above. */
export function superpositionInputs(models: readonly SuperpositionModel[], uniform: Tensor): Tensor {
  const sparsity = tensor(Float32Array.from(models, ({ density }) => 1 - density)).reshape(models.length, 1, 1)
  const spread = tensor(Float32Array.from(models, ({ density }) => 1 / density)).reshape(models.length, 1, 1)
  return uniform.sub(sparsity).relu().mul(spread)
}

/** The importance-weighted squared error of every model [K] on uniform numbers [B, n], summed over features. */
function modelLosses(
  config: SuperpositionConfig,
  models: readonly SuperpositionModel[],
): (parameters: Parameters, uniform: Tensor) => Tensor {
  const { features } = config
  const importances = models.flatMap(({ lastImportance }) =>
    Array.from({ length: features }, (_, i) => featureImportance(config, lastImportance, i)),
  )
  const importance = tensor(Float32Array.from(importances), [models.length, features])
  return (parameters, uniform) => {
    const [W, b] = [parameters.get('W')!, parameters.get('b')!]
    const x = superpositionInputs(models, uniform)
    const sum = x.matmul(W).matmul(W.transpose()).add(b.unsqueeze(1))
    const output = config.output === 'relu' ? sum.relu() : sum
    const squares = output.sub(x).square().sum(1) // [K, B, n] -> [K, n]
    return einsum('kn,kn->k', squares, importance).mul(constant(1 / uniform.shape[0]!))
  }
}
