import { bundledModels } from '../hub/node/bundled.ts'
import type { ModelPlace } from '../workbench/node/model-places.ts'
import { shippedModels } from './model-cards.ts'

/** The shipped models with what their cards say, as the workbench offers them. Throws when a card is damaged. */
export async function shippedPlaces(): Promise<ModelPlace[]> {
  const folders = bundledModels()
  return (await shippedModels()).flatMap(({ name, bytes, problem, card }) => {
    const folder = folders.get(name)
    if (folder === undefined) return [] // trained parameters that are no model
    const [title, about] = [card?.title ?? name, card?.goodFor ?? '']
    return [{ ref: name, title, about, bytes, origin: 'shipped' as const, problem, folder }]
  })
}
