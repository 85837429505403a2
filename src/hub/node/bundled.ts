import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The model that commands use when none is named. */
const DEFAULT_MODEL = 'text'

/** Folders of the models that ship with the package (`checkpoints/`) and can be opened, by name. */
export function bundledModels(): ReadonlyMap<string, string> {
  return foldersWith('config.json')
}

/** Folders of all that ships and has a card, models or not, by name. */
export function bundledCards(): ReadonlyMap<string, string> {
  return foldersWith('card.json')
}

/** The shipped model that commands use when none is named; undefined when it does not ship. */
export function defaultModel(): string | undefined {
  return bundledModels().has(DEFAULT_MODEL) ? DEFAULT_MODEL : undefined
}

function foldersWith(file: string): ReadonlyMap<string, string> {
  const folder = join(packageFolder(), 'checkpoints')
  if (!existsSync(folder)) return new Map()
  const names = readdirSync(folder).filter((name) => existsSync(join(folder, name, file)))
  return new Map(names.sort().map((name) => [name, join(folder, name)]))
}

/** The folder of this package's package.json, from source or built. */
export function packageFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder)
  return folder
}

/** This package's version. */
export function packageVersion(): string {
  return (JSON.parse(readFileSync(join(packageFolder(), 'package.json'), 'utf8')) as { version: string }).version
}
