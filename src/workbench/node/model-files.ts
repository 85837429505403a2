import { realpath, stat } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { dirname, join } from 'node:path'
import { openFolder } from '../../hub/node/folder.ts'
import type { ServedModel, ServedModels } from '../service/served-models.ts'
import { HttpError } from './http-error.ts'
import type { ModelPlace } from './model-places.ts'
import { fileBelow } from './safe-path.ts'
import { fileVersion, sendFile } from './send-file.ts'

/** What a model is made of; other files in its folder are nobody's business. */
const MODEL_FILE = /^(?:[^/.][^/]*\/)?[^/.][^/]*\.(?:jsonl?|safetensors|jinja|txt)$/

/** The list of models whose files the page's own engine may read, as `models.json`. */
export async function servedModels(places: readonly ModelPlace[]): Promise<ServedModels> {
  return { models: await Promise.all(places.filter(({ problem }) => problem === null).map(served)) }
}

async function served({ folder, bytes: _, ...entry }: ModelPlace): Promise<ServedModel> {
  const { files } = await openFolder(folder)
  const listed = files.filter((path) => MODEL_FILE.test(path))
  return {
    ...entry,
    files: await Promise.all(
      listed.map(async (path) => {
        const { size, mtimeMs } = await stat(join(folder, path))
        return { path, bytes: size, version: fileVersion(size, mtimeMs) }
      }),
    ),
  }
}

/** Sends a file of a model. Throws when there is no such model or file. */
export async function sendModelFile(
  request: IncomingMessage,
  response: ServerResponse,
  places: readonly ModelPlace[],
  [ref, ...parts]: readonly string[],
): Promise<void> {
  const place = places.find((one) => one.ref === ref)
  if (!place || !MODEL_FILE.test(parts.join('/'))) throw new HttpError(404, 'There is no such file.')
  const path = await fileBelow(place.folder, parts, await rootsOf(place.folder))
  await sendFile(request, response, path, 'private, no-cache')
}

/** A hub snapshot is a folder of links to the blobs beside it. */
async function rootsOf(folder: string): Promise<string[]> {
  const snapshots = dirname(await realpath(folder))
  const isSnapshot = /[/\\]models--[^/\\]+[/\\]snapshots$/.test(snapshots)
  return isSnapshot ? [folder, join(dirname(snapshots), 'blobs')] : [folder]
}
