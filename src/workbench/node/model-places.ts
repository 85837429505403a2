import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DiopterError } from '../../errors/index.ts'
import { describeFolder } from '../../lab/node/known-models.ts'
import type { ModelEntry } from '../service/messages.ts'

/** A model in a folder that the server was given. */
export interface ModelPlace extends ModelEntry {
  readonly origin: 'shipped' | 'folder'
  readonly folder: string
}

/**
 * The models in folders that were given: the folder itself, or those directly in it. They are referred to by their paths as
 * given, as on a command line. Throws for a folder that does not exist or holds no model.
 */
export async function modelsInFolders(paths: readonly string[]): Promise<ModelPlace[]> {
  const places: ModelPlace[] = []
  for (const path of paths) {
    const found = await modelFolders(path.length > 1 ? path.replace(/[/\\]+$/, '') : path)
    if (found.length === 0)
      throw new DiopterError(
        `The folder ${path} holds no model: there is no config.json in it, nor in the folders directly in it.`,
      )
    for (const folder of found) {
      if (places.some(({ ref }) => ref === folder)) continue
      const { name, architecture, bytes, problem } = await describeFolder(folder, folder)
      const title = folder.split(/[/\\]/).at(-1) || folder
      places.push({ ref: name, title, about: architecture ?? '', bytes, origin: 'folder', problem, folder })
    }
  }
  return places
}

async function modelFolders(path: string): Promise<string[]> {
  const information = await stat(path).catch(() => undefined)
  if (!information?.isDirectory()) throw new DiopterError(`There is no folder ${path}.`)
  if (await isFile(join(path, 'config.json'))) return [path]
  const inside = (await readdir(path)).sort().map((name) => `${path.replace(/[/\\]$/, '')}/${name}`)
  const models: string[] = []
  for (const folder of inside) if (await isFile(join(folder, 'config.json'))) models.push(folder)
  return models
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() === true
}
