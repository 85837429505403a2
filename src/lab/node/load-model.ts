import { freemem } from 'node:os'
import type { Backend } from '../../engine/index.ts'
import { createNodeBackend, type NodeBackendOptions } from '../../engine/node/backend.ts'
import { type ResolveOptions, resolveModel } from '../../hub/node/resolve.ts'
import type { Model } from '../model.ts'
import { type OpenOptions, openModel } from '../open.ts'

/** How a model is found and opened. */
export interface LoadOptions extends Omit<OpenOptions, 'name' | 'ownsBackend'>, ResolveOptions, NodeBackendOptions {
  /** Where graphs run; a new one in this process unless given. The model's `dispose` leaves a given one to who made it. */
  readonly backend?: Backend
}

/**
 * Opens a model: `loadModel('openai-community/gpt2')`, a hub id with optional `@revision`, a local folder, or a bundled
 * name. Weights are used as the checkpoint has them, as float32.
 * Throws when the model cannot be found, read, understood, or held in the free memory.
 */
export async function loadModel(ref: string, options: LoadOptions = {}): Promise<Model> {
  const { source } = await resolveModel(ref, options)
  const ownsBackend = options.backend === undefined
  const backend = options.backend ?? createNodeBackend(options)
  const memoryLimit = options.memoryLimit ?? freemem()
  try {
    return await openModel(source, backend, { ...options, name: ref, memoryLimit, ownsBackend })
  } catch (error) {
    if (ownsBackend) await backend.dispose()
    throw error
  }
}
