import type { Backend, StoredTensor } from '../engine/index.ts'
import { DiopterError, nearMatches, throwIfAborted, type WorkOptions } from '../errors/index.ts'
import type { Checkpoint } from '../hub/checkpoint.ts'
import { type ParameterSpec, publicValues, publicView, storedShape, storedValues } from '../models/parameters.ts'
import { input, sizeOf, type Tensor } from '../tensor/index.ts'
import type { NamedArray } from './arrays.ts'

/** A model's weights: held once by the backend, seen by traces as named inputs in their public shapes. */
export class Weights {
  readonly specs: ReadonlyMap<string, ParameterSpec>
  /** What the engine feeds, by the name of the graph input. */
  readonly stored: ReadonlyMap<string, StoredTensor>
  private readonly backend: Backend
  /** Parameter name to input name: tied parameters share one. */
  private readonly inputNames: ReadonlyMap<string, string>
  private readonly inputs = new Map<string, Tensor>()
  private released = false

  constructor(
    backend: Backend,
    specs: readonly ParameterSpec[],
    inputNames: ReadonlyMap<string, string>,
    stored: ReadonlyMap<string, StoredTensor>,
  ) {
    this.backend = backend
    this.specs = new Map(specs.map((spec) => [spec.name, spec]))
    this.inputNames = inputNames
    this.stored = stored
  }

  /** Weights from values by parameter name, as exact processing gives them. */
  static async fromPublic(
    specs: readonly ParameterSpec[],
    values: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>,
    backend: Backend,
  ): Promise<Weights> {
    const stored = new Map<string, StoredTensor>()
    const inputNames = new Map<string, string>()
    for (const spec of specs) {
      const { tensor } = spec.source
      inputNames.set(spec.name, tensor)
      if (stored.has(tensor)) continue
      const data = storedValues(spec, values.get(tensor)!.data)
      stored.set(tensor, await backend.store({ dtype: 'float32', shape: storedShape(spec), data }))
    }
    return new Weights(backend, specs, inputNames, stored)
  }

  get names(): string[] {
    return [...this.specs.keys()]
  }

  /** Parameters in all, tied ones once. */
  get count(): number {
    return [...this.stored.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0)
  }

  has(name: string): boolean {
    return this.specs.has(name)
  }

  /** The weight as a traced tensor in its public shape. */
  tensor(name: string): Tensor {
    return publicView(this.input(name), this.spec(name))
  }

  /** The graph input behind a weight, in its stored shape: what a gradient is taken for. */
  input(name: string): Tensor {
    const inputName = this.inputNames.get(this.spec(name).name)!
    const known = this.inputs.get(inputName) ?? input(inputName, storedShape(this.spec(name)))
    this.inputs.set(inputName, known)
    return known
  }

  /** A copy of the weight's values in its public shape. */
  async array(name: string): Promise<NamedArray> {
    const spec = this.spec(name)
    const { data } = await this.backend.read(this.stored.get(this.inputNames.get(name)!)!)
    return {
      name,
      axes: spec.shape.map((_, i) => `axis ${i}`),
      shape: spec.shape,
      dtype: 'float32',
      data: publicValues(spec, data as Float32Array).slice(),
    }
  }

  spec(name: string): ParameterSpec {
    const spec = this.specs.get(name)
    if (!spec)
      throw new DiopterError(
        `This model has no weight '${name}'. Near: ${nearMatches(name, this.specs.keys()).join(', ')}.`,
      )
    return spec
  }

  /** Gives all weights back to the backend; once, however often it is called. */
  async release(): Promise<void> {
    if (this.released) return
    this.released = true
    for (const stored of this.stored.values()) await this.backend.release(stored)
  }
}

/** Reads all parameters of a checkpoint as float32, tensor by tensor, and hands them to the backend. */
export async function loadWeights(
  checkpoint: Checkpoint,
  specs: readonly ParameterSpec[],
  backend: Backend,
  { signal, onProgress }: WorkOptions = {},
): Promise<Weights> {
  const inputNames = new Map<string, string>()
  const byPlace = new Map<string, string>()
  const bySource = new Map<string, ParameterSpec[]>()
  for (const spec of specs) {
    // Parameters with one place in the checkpoint and one storage order are tied.
    const place = JSON.stringify([spec.source, storedShape(spec)])
    const first = byPlace.get(place) ?? spec.name
    byPlace.set(place, first)
    inputNames.set(spec.name, first)
    if (first === spec.name) bySource.set(spec.source.tensor, [...(bySource.get(spec.source.tensor) ?? []), spec])
  }
  const stored = new Map<string, StoredTensor>()
  const started = Date.now()
  let done = 0
  const total = [...bySource.keys()].reduce((sum, name) => sum + 4 * sizeOf(checkpoint.entries.get(name)!.shape), 0)
  for (const [tensor, wanted] of bySource) {
    throwIfAborted(signal)
    const whole = await checkpoint.readFloat32(tensor, undefined, { signal })
    for (const spec of wanted) {
      const values = storedValues(spec, whole)
      const file = values === whole ? placeInFile(checkpoint, tensor) : undefined
      stored.set(spec.name, await backend.store({ dtype: 'float32', shape: storedShape(spec), data: values, file }))
    }
    done += whole.byteLength
    onProgress?.({
      phase: 'loading weights',
      done,
      total,
      unit: 'bytes',
      etaSeconds: ((Date.now() - started) / 1000) * (total / done - 1),
    })
  }
  return new Weights(backend, specs, inputNames, stored)
}

/** Where a checkpoint tensor's float32 values lie as they are needed, when they do. */
function placeInFile({ entries, source }: Checkpoint, tensor: string): { path: string; begin: number } | undefined {
  const entry = entries.get(tensor)
  const path = entry?.dtype === 'F32' ? source.localPath?.(entry.file) : undefined
  return path === undefined ? undefined : { path, begin: entry!.begin }
}
