import { DiopterError } from '../errors/index.ts'
import { isInsideFolder } from './weight-files.ts'

/** A model on the hub: `owner/name` (or `name` for the oldest ones) at a branch, tag or commit. */
export interface HubId {
  readonly id: string
  readonly revision: string
}

/** Reads `owner/name`, `name`, and either with `@revision`. @throws DiopterError when it is neither. */
export function parseHubId(ref: string, revision?: string): HubId {
  const match = /^((?:[\w.-]+\/)?[\w.-]+)(?:@(.+))?$/.exec(ref)
  const id = match?.[1] ?? ''
  const asked = revision ?? match?.[2] ?? 'main'
  // "models--a--b" is how the cache writes "a/b", so "--" and dots that climb folders cannot be part of a name.
  if (!match || !isInsideFolder(id) || id.includes('--') || !isInsideFolder(asked)) {
    throw new DiopterError(
      `"${ref}" is no model reference. Give a folder that exists, or a hub id such as "gpt2" or "EleutherAI/pythia-70m", with "@revision" if wanted.`,
    )
  }
  if (revision !== undefined && match[2] !== undefined && match[2] !== revision) {
    throw new DiopterError(`"${ref}" names revision ${match[2]}, but the option says ${revision}.`)
  }
  return { id, revision: asked }
}

/** Whether a revision is a commit, which never changes. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision)
}

/** The folder name of a model in the standard cache. */
export function cacheFolderName(id: string): string {
  return `models--${id.replace('/', '--')}`
}
