import { join } from 'node:path'
import { writeSafetensors } from '../../hub/safetensors-write.ts'
import type { Problem } from '../problem.ts'
import { makeFolder, writeAtomically } from './atomic-write.ts'

/**
 * Saves a problem's parameters as a model that `loadModel` opens: config.json, model.safetensors and the files that
 * belong to it. Throws when the folder cannot be written.
 */
export async function saveModel(
  folder: string,
  { model, modelFiles = {} }: Required<Pick<Problem, 'model'>> & Pick<Problem, 'modelFiles'>,
  parameters: ReadonlyMap<string, Float32Array>,
): Promise<void> {
  await makeFolder(folder)
  // transformers refuses files that do not say which framework's layout they have
  await writeAtomically(
    join(folder, 'model.safetensors'),
    writeSafetensors(model.checkpoint(parameters), { format: 'pt' }),
  )
  for (const [name, bytes] of Object.entries(modelFiles)) await writeAtomically(join(folder, name), bytes)
  // last, so that a folder with a config is a whole model
  await writeAtomically(join(folder, 'config.json'), `${JSON.stringify(model.json, null, 2)}\n`)
}
