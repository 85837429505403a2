import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from 'valibot'
import { DiopterError } from '../errors/index.ts'
import { bundledCards, bundledModels } from '../hub/node/bundled.ts'
import { describeFolder, type KnownModel } from '../lab/node/known-models.ts'
import { readJsonFile } from './files.ts'

const schema = v.strictObject({
  id: v.string(),
  title: v.string(),
  /** What one would open it for. */
  goodFor: v.string(),
  parameters: v.pipe(v.number(), v.integer(), v.minValue(1)),
  /** The command line that trains it again. */
  trainedBy: v.string(),
  seed: v.pipe(v.number(), v.integer(), v.minValue(0)),
  /** What was measured on data that it was not trained on. */
  heldOut: v.record(v.string(), v.number()),
})

/** What a shipped checkpoint is and what it is good for. */
export type ModelCard = v.InferOutput<typeof schema>

/** What ships with the package: models, and trained parameters of other kinds (which open as no model). */
export interface ShippedModel extends KnownModel {
  readonly card: ModelCard | null
}

/** Everything that ships, by name. Throws when a card is damaged. */
export async function shippedModels(): Promise<ShippedModel[]> {
  const [models, cards] = [bundledModels(), bundledCards()]
  const shipped: ShippedModel[] = []
  for (const [name, folder] of [...new Map([...models, ...cards])].sort()) {
    const known = models.has(name) ? await describeFolder(name, folder) : await noModel(name, folder)
    shipped.push({ ...known, card: cards.has(name) ? await readCard(name, folder) : null })
  }
  return shipped
}

async function readCard(name: string, folder: string): Promise<ModelCard> {
  const path = join(folder, 'card.json')
  const result = v.safeParse(schema, await readJsonFile(path))
  if (!result.success || result.output.id !== name)
    throw new DiopterError(`${path} is no card of ${name}: ${result.issues?.[0].message ?? 'it has another id'}.`)
  return result.output
}

async function noModel(name: string, folder: string): Promise<KnownModel> {
  let bytes = 0
  for (const file of await readdir(folder)) bytes += (await stat(join(folder, file))).size
  const problem = 'no transformer: parameters.safetensors holds what was trained, for scripts and experiments'
  return { name, revision: null, bytes, architecture: null, supported: false, problem }
}
