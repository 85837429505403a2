import type { EditInPlace } from '../../lab/edits.ts'
import { matchNames } from '../../lab/hook-names.ts'
import type { Edit, EditFunction, Edits, Model } from '../../lab/index.ts'

/** A method's edits followed, at each hook, by a traced one of its own, or led by one. */
export function withTracedEdits(
  model: Model,
  edits: readonly Edit[],
  traced: ReadonlyMap<string, EditFunction>,
  leading: ReadonlyMap<string, EditFunction> = new Map(),
): Edits {
  const byHook = new Map<string, (EditFunction | EditInPlace)[]>()
  const add = (hook: string, edit: EditFunction | EditInPlace) => byHook.set(hook, [...(byHook.get(hook) ?? []), edit])
  for (const [hook, edit] of leading) add(hook, edit)
  // By single hooks, so that edits whose patterns overlap keep their order.
  for (const edit of edits) for (const hook of matchNames(edit.hook, model.hookNames, 'The hook')) add(hook, edit)
  for (const [hook, edit] of traced) add(hook, edit)
  return Object.fromEntries(byHook)
}
