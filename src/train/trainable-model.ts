import { DiopterError } from '../errors/index.ts'
import type { TensorToWrite } from '../hub/safetensors-write.ts'
import {
  architectures,
  type ConfigJson,
  describeModel,
  type Forward,
  type ModelConfig,
  publicValues,
  publicView,
  rectangularForward,
  storedShape,
  storedValues,
  traceModel,
  weightNames,
  weightShape,
} from '../models/index.ts'
import type { Parameter, Parameters } from '../optim/index.ts'
import { normalValues, randomSource } from '../random/index.ts'
import { type Shape, sizeOf, type Tensor } from '../tensor/index.ts'

/** A model that can be trained: its parameters are the tensors of the checkpoint that it will be saved as. */
export interface TrainableModel {
  /** The checkpoint's config.json. */
  readonly json: ConfigJson
  readonly config: ModelConfig
  readonly parameters: readonly Parameter[]
  /** Traces the logits [B, P, d_vocab_out] of token ids [B, P] (int64); `hook` sees every hook point. */
  logits(parameters: Parameters, tokens: Tensor, hook?: Forward['hook']): Tensor
  /** The tensors of the checkpoint. */
  checkpoint(values: ReadonlyMap<string, Float32Array>): Map<string, TensorToWrite>
  /** The parameters' values from the tensors of a checkpoint. Throws when one is missing. */
  fromCheckpoint(tensors: ReadonlyMap<string, Float32Array>): Map<string, Float32Array>
}

/** Which optional biases a toy model has. */
export type BiasGroup = 'attn' | 'mlp' | 'unembed' | 'norm'

/**
 * A model in TransformerLens's form from its config fields (`n_layers`, `d_model`, `d_head` ...); `biases` says which
 * optional biases are trained. Throws for fields that are not known or do not fit.
 */
export function toyModel(fields: Readonly<Record<string, unknown>>, biases: readonly BiasGroup[]): TrainableModel {
  const json: ConfigJson = { model_type: 'toy', config: fields }
  const config = architectures.find(({ modelTypes }) => modelTypes.includes('toy'))!.config(json)
  // what else is optional are the weights of norms that have none (RMSPre)
  const wanted = (name: string) => biases.some((group) => name.includes(`${group}.b_`))
  const names = weightNames(config).filter(({ name, required }) => required || wanted(name))
  return trainableModel(json, new Map(names.map(({ name }) => [name, weightShape(config, name)])))
}

/**
 * A model of any supported architecture from its config.json and the names and shapes of its checkpoint's tensors.
 * Throws when they do not fit each other, and for architectures whose checkpoints fuse several weights in one tensor.
 */
export function trainableModel(json: ConfigJson, shapes: ReadonlyMap<string, Shape>): TrainableModel {
  const entries = new Map([...shapes].map(([name, shape]) => [name, { dtype: 'F32', shape }]))
  const description = describeModel(json, entries)
  const specs = new Map(description.parameters.map((spec) => [spec.name, spec]))
  for (const { name, source } of specs.values()) {
    if (source.part)
      throw new DiopterError(
        `${description.config.architecture} stores ${name} inside ${source.tensor}, and only weights that are stored by themselves can be trained; use llama or toy.`,
      )
  }
  // tied weights share a tensor: the first that reads it decides how it is stored
  const byTensor = new Map(description.parameters.toReversed().map((spec) => [spec.source.tensor, spec]))
  const parameters = [...byTensor].map(([tensor, spec]) => ({
    name: tensor,
    shape: spec.source.reordered ? storedShape(spec) : shapes.get(tensor)!,
    decays: !/(^|\.)(b_\w+|b|ln\w*\.w)$/.test(spec.name),
  }))
  return {
    json,
    config: description.config,
    parameters,
    logits(values, tokens, hook) {
      const weight = (name: string) => {
        const spec = specs.get(name)!
        // the checkpoint's shape -> the stored one, which splits fused axes: [h*e, d] -> [h, e, d]
        return publicView(values.get(spec.source.tensor)!.reshape(...storedShape(spec)), spec)
      }
      const forward = { config: description.config, tokens, weight, hasWeight: (name: string) => specs.has(name) }
      return traceModel(rectangularForward(hook ? { ...forward, hook } : forward))
    },
    checkpoint: (values) =>
      new Map(
        parameters.map(({ name }) => {
          const spec = byTensor.get(name)!
          const data = values.get(name)!
          // only toy models reorder, and store weights in their public shapes
          const stored = spec.source.reordered ? publicValues(spec, data) : data
          return [name, { dtype: 'F32', shape: shapes.get(name)!, data: stored }]
        }),
      ),
    fromCheckpoint: (tensors) =>
      new Map(
        parameters.map(({ name }) => {
          const whole = tensors.get(name)
          if (!whole) throw new DiopterError(`The checkpoint has no tensor ${name}.`)
          return [name, storedValues(byTensor.get(name)!, whole).slice()]
        }),
      ),
  }
}

/**
 * First values of parameters: `deviation` gives each one's standard deviation (0: all zeros), or the word `ones`.
 * Every parameter has random numbers of its own, by seed and name.
 */
export function initialValues(
  parameters: readonly Parameter[],
  seed: number,
  deviation: (name: string, shape: Shape) => number | 'ones',
): Map<string, Float32Array> {
  return new Map(
    parameters.map(({ name, shape }) => {
      const scale = deviation(name, shape)
      if (scale === 'ones') return [name, new Float32Array(sizeOf(shape)).fill(1)]
      return [name, normalValues(sizeOf(shape), scale, randomSource(seed, 'initial', name))]
    }),
  )
}

/** First values as TransformerLens's `gpt2` initialisation: biases 0, norms' weights 1, all else normal with a deviation of 0.8 / sqrt(d_model). */
export function gpt2InitialValues(
  parameters: readonly Parameter[],
  seed: number,
  d_model: number,
): Map<string, Float32Array> {
  return initialValues(parameters, seed, (name) => {
    if (/ln\w*\.w$/.test(name)) return 'ones'
    return /\.(b|b_\w+)$/.test(name) ? 0 : 0.8 / Math.sqrt(d_model)
  })
}
