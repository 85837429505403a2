import type { ServedFile } from '../../hub/web/http-source.ts'
import type { ModelEntry } from './messages.ts'

/** A model that the page's own host gives, file by file. */
export interface ServedModel extends Pick<ModelEntry, 'ref' | 'title' | 'about' | 'origin' | 'problem'> {
  readonly files: readonly ServedFile[]
}

/** What `models.json` beside the page says. */
export interface ServedModels {
  readonly models: readonly ServedModel[]
}

/** The list's name beside the page. */
export const SERVED_MODELS = 'models.json'

/** The path of a model's folder beside the page, with a slash at the end. */
export function servedFolder(ref: string): string {
  return `models/${encodeURIComponent(ref)}/`
}

/** A served model as one that can be chosen. */
export function servedEntry({ ref, title, about, origin, problem, files }: ServedModel): ModelEntry {
  return { ref, title, about, origin, problem, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) }
}
