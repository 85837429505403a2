import type { Backend } from '../engine/index.ts'
import { type CompiledModel, compiledSource } from '../models/compiled/index.ts'
import type { Model } from './model.ts'
import { type OpenOptions, openModel } from './open.ts'

/** Opens a compiled model on a backend, in Node and browsers, as every checkpoint is opened: see `openModel`. */
export function openCompiled(model: CompiledModel, backend: Backend, options: OpenOptions = {}): Promise<Model> {
  return openModel(compiledSource(model), backend, options)
}
