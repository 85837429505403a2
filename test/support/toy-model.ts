import { type Backend, Engine } from '../../src/engine/index.ts'
import { createNodeBackend } from '../../src/engine/node/backend.ts'
import { Model } from '../../src/lab/model.ts'
import { Weights } from '../../src/lab/weights.ts'
import { hookPoints, type ModelConfig, publicParameters } from '../../src/models/index.ts'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts'
import { blockForms, toyConfig, toyWeights } from './toy-models.ts'

/** Opens a toy model with an engine of its own, unless one is given. */
export async function openToy(
  config: ModelConfig,
  own: {
    engine?: Engine
    backend?: Backend
    tokenizer?: Tokenizer
    seed?: number
    /** Changes weights by name. */
    change?: (name: string, data: Float32Array) => Float32Array
  } = {},
): Promise<Model> {
  const drawn = toyValues(config, own.seed)
  const change = own.change ?? ((_, data) => data)
  const values = new Map([...drawn].map(([name, { shape, data }]) => [name, { shape, data: change(name, data) }]))
  const specs = publicParameters(config, new Map([...values].map(([name, { shape }]) => [name, shape])))
  const engine = own.engine ?? new Engine({ backend: own.backend ?? createNodeBackend({ threads: 1 }) })
  const weights = await Weights.fromPublic(specs, values, engine.backend)
  return new Model({
    name: 'toy',
    revision: null,
    config,
    hookPoints: hookPoints(config),
    tokenizer: own.tokenizer ?? null,
    weights,
    engine,
    processing: [],
    memory: {
      parameters: weights.count,
      checkpointBytes: 0,
      weightBytes: 4 * weights.count,
      peakLoadBytes: 0,
      residentBytes: 0,
    },
  })
}

/** Makes a model's sweeps run one variant at a time. */
export function inSmallBatches(model: Model): void {
  const variants = model.variants.bind(model)
  model.variants = (base, edits, metric, options) => variants(base, edits, metric, { ...options, memoryBytes: 1 })
}

/** Every form of block with room for longer prompts, and one with a window. */
export const toyForms: Readonly<Record<string, ModelConfig>> = {
  ...Object.fromEntries(Object.entries(blockForms).map(([name, config]) => [name, { ...config, n_ctx: 24 }])),
  'with a window': toyConfig({
    n_ctx: 24,
    attn_windows: [3, null],
    positional_embedding_type: 'rotary',
    rotary_dim: 4,
    attn_softcap: 5,
    logit_softcap: 3,
  }),
}

/** A toy's weights, small enough that rounding stays small without norms too. */
export function toyValues(config: ModelConfig, seed?: number): ReturnType<typeof toyWeights> {
  const values = [...toyWeights(config, /^$/, seed)]
  return new Map(values.map(([name, { shape, data }]) => [name, { shape, data: data.map((x) => 0.6 * x) }]))
}
