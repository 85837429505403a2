import { entriesOf, openBrowserStore } from './store.ts'

/** A hub model in the browser's storage. */
export interface StoredModel {
  readonly id: string
  readonly commit: string
  readonly bytes: number
}

/**
 * The hub models that the browser keeps for this page, complete or not, at their `main` revision.
 * @param storage the folder that `resolveModel` keeps them in.
 */
export async function storedModels(storage: FileSystemDirectoryHandle): Promise<StoredModel[]> {
  const models: StoredModel[] = []
  for await (const [name] of entriesOf(storage)) {
    const id = name.replace(/^models--/, '').replace('--', '/')
    const store = openBrowserStore(storage, id)
    const commit = await store.readRef('main')
    const source = commit === null ? null : await store.open(commit)
    if (commit === null || !source) continue
    let bytes = 0
    for (const file of source.files) bytes += await source.size(file)
    models.push({ id, commit, bytes })
  }
  return models.sort((a, b) => (a.id < b.id ? -1 : 1))
}
