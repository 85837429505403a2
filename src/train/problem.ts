import type * as v from 'valibot'
import type { TensorValue } from '../engine/index.ts'
import type { BatchTypes, LossFunction, Parameter, Parameters } from '../optim/index.ts'
import type { Tensor, TypedArray } from '../tensor/index.ts'
import type { TrainingSettings } from './config.ts'
import type { TrainableModel } from './trainable-model.ts'

/** Numbers that are measured beside the training loss, on data of their own. */
export interface Evaluation {
  /** Logged as `<name>/<key>`. */
  readonly name: string
  readonly inputs: Readonly<Record<string, TensorValue>>
  /** Traces what is measured, scalars or short vectors, by key. */
  trace(parameters: Parameters, inputs: Readonly<Record<string, Tensor>>): Readonly<Record<string, Tensor>>
}

/** What is trained: parameters, loss and data, all of them functions of a config and a seed. */
export interface Problem {
  readonly parameters: readonly Parameter[]
  /** The parameters' first values. */
  initial(): Map<string, Float32Array>
  /** The types of one micro-batch. */
  readonly batch: BatchTypes
  /** Micro-batch `index` (0, 1, ..) of the run: a function of the index alone, so that a resumed run sees the same data. */
  microBatch(index: number): Readonly<Record<string, TypedArray>>
  readonly loss: LossFunction
  readonly evaluations: readonly Evaluation[]
  /** Tokens (or examples, where there are none) in one micro-batch, for progress. */
  readonly tokensPerBatch: number
  /** What the parameters are when they are saved as a model that `loadModel` opens; absent for other problems. */
  readonly model?: TrainableModel
  /** Files that belong beside the saved model, for example tokenizer.json. */
  readonly modelFiles?: Readonly<Record<string, Uint8Array>>
}

/** What a task may read beside its config: files, where there is a file system. */
export interface TaskResources {
  /** The bytes of a file. Throws when there is none. */
  readFile(path: string): Promise<Uint8Array>
}

/** A family of training problems: a row of the task table. */
export interface Task<Config = unknown> {
  readonly name: string
  /** One sentence: what is learned and why one would look. */
  readonly description: string
  readonly schema: v.GenericSchema<unknown, Config>
  /** How it is trained when nothing else is said. */
  readonly settings: TrainingSettings
  create(config: Config, seed: number, resources: TaskResources): Promise<Problem> | Problem
}
