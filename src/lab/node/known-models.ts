import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DiopterError } from '../../errors/index.ts'
import { openCheckpoint } from '../../hub/checkpoint.ts'
import { hubSettings } from '../../hub/node/environment.ts'
import { openFolder } from '../../hub/node/folder.ts'
import { describeModel } from '../../models/index.ts'

/** A model on this machine. */
export interface KnownModel {
  readonly name: string
  readonly revision: string | null
  /** Of its files. */
  readonly bytes: number
  /** `model_type` of its config; null where that says nothing. */
  readonly architecture: string | null
  readonly supported: boolean
  /** Why it is not supported; null where it is. */
  readonly problem: string | null
}

/** Describes the model in a folder from its headers. */
export async function describeFolder(
  name: string,
  folder: string,
  revision: string | null = null,
): Promise<KnownModel> {
  const source = await openFolder(folder)
  let bytes = 0
  for (const file of source.files) bytes += await source.size(file)
  const about = { name, revision, bytes, architecture: await modelType(folder) }
  try {
    const checkpoint = await openCheckpoint(source)
    const { config } = describeModel(checkpoint.config, checkpoint.entries)
    return { ...about, architecture: config.architecture, supported: true, problem: null }
  } catch (error) {
    if (!(error instanceof DiopterError)) throw error
    return { ...about, supported: false, problem: error.message }
  }
}

async function modelType(folder: string): Promise<string | null> {
  try {
    const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as { model_type?: unknown }
    return typeof config.model_type === 'string' ? config.model_type : null
  } catch {
    return null
  }
}

/** The models of the standard hub cache, by name: of each the commit that `main` points to, or the newest one. */
export async function cachedModels(): Promise<{ readonly cacheDir: string; readonly models: readonly KnownModel[] }> {
  const { cacheDir } = await hubSettings()
  const models: KnownModel[] = []
  for (const folder of (await names(cacheDir)).filter((name) => name.startsWith('models--')).sort()) {
    const root = join(cacheDir, folder)
    const main = (await readFile(join(root, 'refs', 'main'), 'utf8').catch(() => '')).trim()
    const commit = main || (await newest(join(root, 'snapshots')))
    const snapshot = join(root, 'snapshots', commit ?? '')
    if (!commit || !(await stat(snapshot).catch(() => undefined))) continue
    models.push(await describeFolder(folder.slice('models--'.length).replaceAll('--', '/'), snapshot, commit))
  }
  return { cacheDir, models }
}

const names = (folder: string): Promise<string[]> => readdir(folder).catch(() => [])

async function newest(folder: string): Promise<string | undefined> {
  const dated = await Promise.all(
    (await names(folder)).map(async (name) => ({ name, time: (await stat(join(folder, name))).mtimeMs })),
  )
  return dated.sort((a, b) => b.time - a.time)[0]?.name
}
