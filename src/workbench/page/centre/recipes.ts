import { completeTrainingConfig, type TrainingConfig } from '../../../train/index.ts'

/** A training that ends while one watches. */
export interface Recipe {
  readonly name: string
  readonly title: string
  /** What to look for. */
  readonly about: string
  readonly training: TrainingConfig
  /** What is drawn: names in the log, or every entry of a list. */
  readonly curves: readonly string[]
}

const recipe = (from: Omit<Recipe, 'training'> & { readonly training: object }): Recipe => ({
  ...from,
  training: completeTrainingConfig(from.training),
})

/** Trainings that take a minute or so in a browser. */
export const recipes: readonly Recipe[] = [
  recipe({
    name: 'superposition',
    title: 'Superposition',
    about: 'Five sparse features in two dimensions: the sparser they are, the more of them the model stores.',
    curves: ['loss'],
    training: {
      task: 'superposition',
      config: { densities: [1, 0.1], copies: 2, batch: 512, evaluated: 1024 },
      steps: 2000,
      stepsPerRun: 10,
    },
  }),
  recipe({
    name: 'modular-addition',
    title: 'Addition modulo 23',
    about:
      'Memorised first: the training loss falls, the test loss rises. Long after, it comes down too: grokking in small.',
    curves: ['train/loss', 'test/loss'],
    training: {
      task: 'modular-addition',
      config: { p: 23, trainFraction: 0.6, d_model: 48, n_heads: 4, d_mlp: 128 },
      steps: 2000,
      logEvery: 10,
      evaluate: { every: 20, perDecade: 10 },
      snapshots: {},
    },
  }),
  recipe({
    name: 'induction',
    title: 'Induction heads',
    about:
      'Text that repeats itself: once a head looks up what followed before, the second copy costs less than the first.',
    curves: ['repeats/first', 'repeats/second'],
    training: {
      task: 'induction',
      config: { d_model: 64, n_heads: 4, n_ctx: 96, vocabulary: 64 },
      steps: 700,
      optimiser: { name: 'adamw', learningRate: 0.01 },
      schedule: { warmup: 50, shape: 'linear', final: 0.1 },
      logEvery: 10,
      evaluate: { every: 20 },
      snapshots: {},
    },
  }),
]
