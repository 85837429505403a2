import { defaultModel } from '../hub/node/bundled.ts'
import type { ResolvedModel } from '../hub/snapshot.ts'
import type { ModelSpec } from '../runs/index.ts'
import type { Session } from './command.ts'
import { UsageError } from './errors.ts'
import type { ModelFlags } from './flags.ts'

/** The model that is asked for, or the default that ships. Throws a usage error when there is neither. */
export function modelReference({ model }: { readonly model?: string }): string {
  const ref = model ?? defaultModel()
  if (ref !== undefined) return ref
  throw new UsageError(
    'No default model ships with this version, so say which: --model FOLDER, or a hub id such as --model openai-community/gpt2.',
  )
}

/** The part of a spec that names the model. */
export function modelSpec(flags: Pick<ModelFlags, 'model' | 'revision' | 'process'>): ModelSpec {
  return {
    ref: modelReference(flags),
    ...(flags.revision === undefined ? {} : { revision: flags.revision }),
    ...(flags.process ? { processing: Object.fromEntries(flags.process.map((step) => [step, true])) } : {}),
  }
}

/** Flags that say how to open a model but are no part of an experiment. */
export type OpenFlags = Pick<ModelFlags, 'offline' | 'threads'>

/** A model's files, for commands that read no weights. */
export async function resolveFiles(
  ref: string,
  flags: Pick<ModelFlags, 'revision' | 'offline'>,
  session: Session,
): Promise<ResolvedModel> {
  const { resolveModel } = await import('../hub/node/resolve.ts')
  const { signal, onProgress } = session
  const resolved = await resolveModel(ref, { ...flags, signal, onProgress })
  if (resolved.note) session.note(resolved.note)
  return resolved
}
