import type { Engine } from '../engine/index.ts'
import { DiopterError } from '../errors/index.ts'
import { writeSafetensors } from '../hub/safetensors-write.ts'
import { memorySource } from '../hub/source.ts'
import { type Model, openModel } from '../lab/index.ts'
import type { Problem } from '../train/index.ts'

/**
 * Opens the model that a problem's parameters make, on the engine's backend, with everything that an opened model can do.
 * Who opens it disposes it. Throws when the problem is no model.
 */
export async function openTrainedModel(
  { model, modelFiles = {} }: Problem,
  parameters: ReadonlyMap<string, Float32Array>,
  engine: Engine,
): Promise<Model> {
  if (!model) throw new DiopterError('This task trains no model that could be opened: its problem has no `model`.')
  const files = {
    ...modelFiles,
    'config.json': JSON.stringify(model.json),
    'model.safetensors': writeSafetensors(model.checkpoint(parameters)),
  }
  return openModel(memorySource(files, 'the trained model'), engine.backend)
}
