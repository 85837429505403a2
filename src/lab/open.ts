import { type Backend, Engine } from '../engine/index.ts'
import { DiopterError, type WorkOptions } from '../errors/index.ts'
import { type Checkpoint, openCheckpoint } from '../hub/checkpoint.ts'
import type { FileSource } from '../hub/source.ts'
import { describeModel, hookPoints, type ProcessingOptions, processWeights, publicParameters } from '../models/index.ts'
import { sizeOf } from '../tensor/index.ts'
import { loadTokenizer } from '../tokenizer/tokenizer.ts'
import { Model } from './model.ts'
import { loadWeights, Weights } from './weights.ts'

/** How a model is opened. */
export interface OpenOptions extends WorkOptions {
  /** The model's name in results; the source's description unless given. */
  readonly name?: string
  /** Exact rewritings of the weights; none unless asked for. Recorded in every result. */
  readonly processing?: ProcessingOptions
  /** The most bytes of free memory that loading may take; refused beyond that, before anything is read. */
  readonly memoryLimit?: number
  /** Whether the model's `dispose` disposes the backend, too; otherwise only its own sessions and weights. False unless said. */
  readonly ownsBackend?: boolean
  /** See `EngineOptions.cacheBytes`. */
  readonly cacheBytes?: number
}

/** What opening a model takes, known before any weight is read. */
export interface MemoryEstimate {
  readonly parameters: number
  /** Stored on disk. */
  readonly checkpointBytes: number
  /** All weights as float32, in memory once. */
  readonly weightBytes: number
  /** At most, while loading: the weights and the largest checkpoint tensor beside them. */
  readonly peakLoadBytes: number
  /** With one session that holds resident copies of the weights. */
  readonly residentBytes: number
}

/** Estimates the memory of a checkpoint from its header, without the tensors that the model does not read. */
export function estimateMemory(checkpoint: Checkpoint, unread: readonly string[] = []): MemoryEstimate {
  const read = [...checkpoint.entries].filter(([name]) => !unread.includes(name))
  const sizes = read.map(([, { shape }]) => sizeOf(shape))
  const elements = sizes.reduce((sum, size) => sum + size, 0)
  const largest = Math.max(0, ...sizes)
  const weightBytes = 4 * elements
  return {
    parameters: elements,
    checkpointBytes: checkpoint.totalBytes,
    weightBytes,
    peakLoadBytes: weightBytes + 4 * largest + 2 ** 25,
    residentBytes: Math.ceil(2.4 * weightBytes),
  }
}

/**
 * Opens a model from its files on a backend: config, tokenizer (where there is one) and weights. Who made the backend
 * disposes it, after the models on it, unless `ownsBackend` hands it over.
 * Throws for unknown architectures and options, damaged files, and models that exceed `memoryLimit`.
 */
export async function openModel(source: FileSource, backend: Backend, options: OpenOptions = {}): Promise<Model> {
  const checkpoint = await openCheckpoint(source)
  const description = describeModel(checkpoint.config, checkpoint.entries)
  const estimate = estimateMemory(checkpoint, description.unread)
  if (options.memoryLimit !== undefined && estimate.peakLoadBytes > options.memoryLimit) {
    throw new DiopterError(
      `${source.description} needs about ${gigabytes(estimate.peakLoadBytes)} of memory to load (${(estimate.parameters / 1e6).toFixed(0)} million parameters as float32); ${gigabytes(options.memoryLimit)} are free.`,
    )
  }
  options.onProgress?.({
    phase: `loading ${gigabytes(estimate.weightBytes)} of weights`,
    done: 0,
    total: estimate.weightBytes,
    unit: 'bytes',
  })
  const tokenizer = checkpoint.hasTokenizer ? await loadTokenizer(source) : null
  const loaded = await loadWeights(checkpoint, description.parameters, backend, options)
  const steps = Object.entries(options.processing ?? {}).flatMap(([step, asked]) => (asked ? [step] : []))
  const { config, weights } =
    steps.length > 0
      ? await process(description.config, loaded, backend, options.processing!)
      : { config: description.config, weights: loaded }
  return new Model({
    name: options.name ?? source.description,
    revision: checkpoint.revision,
    config,
    hookPoints: steps.length > 0 ? hookPoints(config) : description.hookPoints,
    tokenizer,
    weights,
    engine: new Engine({
      backend,
      cacheBytes: options.cacheBytes,
      // A model on somebody else's backend leaves it as it was: without its sessions and weights.
      giveBack: options.ownsBackend ? undefined : () => weights.release(),
    }),
    processing: steps,
    memory: estimate,
  })
}

async function process(
  config: Model['config'],
  loaded: Weights,
  backend: Backend,
  options: ProcessingOptions,
): Promise<{ config: Model['config']; weights: Weights }> {
  const values = new Map<string, { shape: readonly number[]; data: Float32Array }>()
  for (const name of loaded.names) {
    const { shape, data } = await loaded.array(name)
    values.set(name, { shape, data: data as Float32Array })
  }
  await loaded.release()
  const processed = processWeights(config, values, options)
  const specs = publicParameters(
    processed.config,
    new Map([...processed.weights].map(([name, { shape }]) => [name, shape])),
  )
  const weights = await Weights.fromPublic(specs, processed.weights, backend)
  return { config: processed.config, weights }
}

function gigabytes(bytes: number): string {
  return bytes >= 1e8 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`
}
