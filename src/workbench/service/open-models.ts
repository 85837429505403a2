import { throwIfAborted, type WorkOptions } from '../../errors/index.ts'
import type { Model } from '../../lab/index.ts'
import type { ModelSpec } from '../../runs/index.ts'
import type { BackendName } from './messages.ts'

/** Opens a model anew. */
export type OpenModel = (model: ModelSpec, options: { readonly backend: BackendName } & WorkOptions) => Promise<Model>

interface Shelved {
  readonly keys: string[]
  readonly opening: Promise<Model>
  /** Stops the opening when nobody waits for it any more. */
  readonly abandon: AbortController
  readonly listeners: Set<NonNullable<WorkOptions['onProgress']>>
  model: Model | undefined
  users: number
}

/**
 * Keeps models open between requests, so that the second run of a model opens nothing: one for each reference, revision,
 * processing and backend. When their weights take more than `limitBytes`, those that were not used for longest are closed;
 * the last one and those in use stay.
 */
export class OpenModels {
  private readonly open: OpenModel
  private readonly limitBytes: number
  /** The one used last stands last. */
  private shelf: Shelved[] = []

  constructor(open: OpenModel, limitBytes: number) {
    this.open = open
    this.limitBytes = limitBytes
  }

  /**
   * Does `work` with the model, which is opened if it is not open, and stays open while it is used.
   * Throws what opening and `work` throw, and the signal's reason when it aborts while the model is being opened.
   */
  async use<Result>(
    spec: ModelSpec,
    { backend, signal, onProgress }: { readonly backend: BackendName } & WorkOptions,
    work: (model: Model) => Promise<Result> | Result,
  ): Promise<Result> {
    throwIfAborted(signal)
    const key = keyOf(spec, backend)
    const shelved = this.shelf.find(({ keys }) => keys.includes(key)) ?? this.start(spec, backend, key)
    shelved.users++
    if (onProgress) shelved.listeners.add(onProgress)
    try {
      const model = await unlessAborted(shelved.opening, signal)
      this.shelf = [...this.shelf.filter((other) => other !== shelved), shelved]
      return await work(model)
    } finally {
      shelved.users--
      if (onProgress) shelved.listeners.delete(onProgress)
      if (shelved.users === 0 && !shelved.model) {
        this.drop(shelved)
        shelved.abandon.abort()
      }
      await this.trim()
    }
  }

  /** Closes all models. */
  async dispose(): Promise<void> {
    const shelf = this.shelf
    this.shelf = []
    for (const { abandon, opening } of shelf) {
      abandon.abort()
      await opening.then(
        (model) => model.dispose(),
        () => undefined,
      )
    }
  }

  private start(spec: ModelSpec, backend: BackendName, key: string): Shelved {
    const abandon = new AbortController()
    const listeners: Shelved['listeners'] = new Set()
    const onProgress: WorkOptions['onProgress'] = (progress) => {
      for (const listener of listeners) listener(progress)
    }
    // Later, when who asks for it listens.
    const opening = Promise.resolve().then(() => this.open(spec, { backend, signal: abandon.signal, onProgress }))
    const shelved: Shelved = { keys: [key], opening, abandon, listeners, model: undefined, users: 0 }
    this.shelf.push(shelved)
    opening.then(
      (model) => this.keep(shelved, model, spec, backend),
      () => this.drop(shelved),
    )
    return shelved
  }

  private async keep(shelved: Shelved, model: Model, spec: ModelSpec, backend: BackendName): Promise<void> {
    if (!this.shelf.includes(shelved)) return model.dispose() // nobody waits for it any more
    shelved.model = model
    // A result's spec names the commit that was used: it means this model, too.
    if (model.revision !== null) shelved.keys.push(keyOf({ ...spec, revision: model.revision }, backend))
  }

  private drop(shelved: Shelved): void {
    this.shelf = this.shelf.filter((other) => other !== shelved)
  }

  private async trim(): Promise<void> {
    const bytes = () => this.shelf.reduce((sum, { model }) => sum + (model?.memory.weightBytes ?? 0), 0)
    while (bytes() > this.limitBytes) {
      const idle = this.shelf.slice(0, -1).find(({ users, model }) => users === 0 && model)
      if (!idle) return
      this.drop(idle)
      await idle.model?.dispose()
    }
  }
}

function keyOf({ ref, revision, processing = {} }: ModelSpec, backend: BackendName): string {
  const steps = Object.entries(processing).flatMap(([step, asked]) => (asked ? [step] : []))
  const [, name, inRef] = /^(.*?)(?:@([^@]*))?$/.exec(ref)!
  return JSON.stringify([name, revision ?? inRef ?? null, steps.sort(), backend])
}

/** What `promise` gives, or the signal's reason as soon as it aborts. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
