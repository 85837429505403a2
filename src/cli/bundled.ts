import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Folders of the models that ship with the package (`checkpoints/`), by name. */
export function bundledModels(): ReadonlyMap<string, string> {
  const folder = join(packageFolder(), 'checkpoints')
  if (!existsSync(folder)) return new Map()
  const names = readdirSync(folder).filter((name) => existsSync(join(folder, name, 'config.json')))
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
