import type { Engine } from '../engine/index.ts'
import { memorySource } from '../hub/source.ts'
import { type Model, openModel } from '../lab/index.ts'
import type { TaskResources } from '../train/index.ts'

const FILES = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']

/** Opens the model in a folder, by its path as `resources` has it; undefined where there are no weights. Who opens it disposes it. */
export async function openFolderModel(
  folder: string,
  resources: TaskResources,
  engine: Engine,
): Promise<Model | undefined> {
  const files: Record<string, Uint8Array> = {}
  for (const file of FILES) {
    const bytes = await resources.readFile(`${folder}/${file}`).catch(() => undefined)
    if (bytes) files[file] = bytes
  }
  return files['model.safetensors'] && openModel(memorySource(files, folder), engine.backend)
}
