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
    about: 'Memorised first (the training loss falls), understood later (the test loss follows): grokking in small.',
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
      'Text that repeats itself: when the second layer learns to look up what followed, the loss on repeats drops.',
    curves: ['text/loss', 'repeats/loss'],
    training: {
      task: 'induction',
      config: { d_model: 64, n_heads: 4, n_ctx: 64, vocabulary: 64, batchSize: 16 },
      steps: 800,
      logEvery: 10,
      evaluate: { every: 20, perDecade: 10 },
      snapshots: {},
    },
  }),
]
