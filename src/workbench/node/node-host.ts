import { totalmem } from 'node:os'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { DiopterError } from '../../errors/index.ts'
import { cachedModels } from '../../lab/node/known-models.ts'
import { loadModel } from '../../lab/node/load-model.ts'
import type { ServiceHost } from '../service/answer.ts'
import type { BackendName } from '../service/messages.ts'
import { OpenModels } from '../service/open-models.ts'
import type { ModelPlace } from './model-places.ts'

/**
 * What requests are answered with in Node: the models of `places`, those of the hub and its cache, and the native engine. No
 * other folder can be opened. Models stay open while their weights take less than a quarter of the machine's memory.
 */
export function createNodeHost(places: readonly ModelPlace[]): ServiceHost {
  const bundled = new Map(places.map(({ ref, folder }) => [ref, folder]))
  return {
    async listModels() {
      const { models } = await cachedModels()
      const entries = places.map(({ folder: _, ...entry }) => entry)
      const cached = models.map(({ name, bytes, architecture, problem }) => ({
        ref: name,
        title: name,
        about: architecture ?? '',
        bytes,
        origin: 'cache' as const,
        problem,
      }))
      return [...entries, ...cached]
    },
    models: new OpenModels(async ({ ref, revision, processing }, { backend, signal, onProgress }) => {
      if (!bundled.has(ref) && looksLikePath(ref)) throw notGiven(ref, places)
      const provider = providerOf(backend)
      return loadModel(ref, { revision, processing, provider, bundled, anyFolder: false, signal, onProgress })
    }, totalmem() / 4),
    createBackend: async (backend) => createNodeBackend({ provider: providerOf(backend) }),
  }
}

function providerOf(backend: BackendName): Exclude<BackendName, 'wasm'> {
  if (backend !== 'wasm') return backend
  throw new DiopterError(
    "The backend 'wasm' runs in the page, and this is Node: choose cpu (or webgpu, cuda where there is a GPU).",
  )
}

function looksLikePath(ref: string): boolean {
  return /^[.~/\\]|^[A-Za-z]:[/\\]|\/.*\//.test(ref)
}

function notGiven(ref: string, places: readonly ModelPlace[]): DiopterError {
  const given = places.filter(({ origin }) => origin === 'folder').map((place) => place.ref)
  return new DiopterError(
    `The workbench was not given the folder ${ref}; it was given ${given.join(', ') || 'none'}. Start it again with --folder ${ref}, or drop the folder on the page.`,
  )
}
