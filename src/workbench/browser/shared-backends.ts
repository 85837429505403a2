import { type Backend, Engine } from '../../engine/index.ts'
import { input } from '../../tensor/index.ts'
import type { BackendName } from '../service/messages.ts'

/** A backend that is being started. */
export interface StartedBackend {
  /** Takes weights at once. */
  readonly backend: Backend
  /** Resolves when it runs; rejects when it cannot. */
  readonly ready: Promise<void>
}

/** Backends that models share, each made when it is first needed; one that could not be started is made again. */
export class SharedBackends {
  private readonly create: (backend: BackendName) => Promise<Backend>
  private readonly started = new Map<BackendName, Promise<StartedBackend>>()

  constructor(create: (backend: BackendName) => Promise<Backend>) {
    this.create = create
  }

  /** The backend, which starts meanwhile. Throws what making it throws. */
  get(name: BackendName): Promise<StartedBackend> {
    const known = this.started.get(name)
    if (known) return known
    const forget = () => this.started.delete(name)
    const starting = this.create(name).then((backend) => {
      const ready = runOnce(backend)
      ready.catch(forget)
      return { backend, ready }
    })
    starting.catch(forget)
    this.started.set(name, starting)
    return starting
  }
}

/** Has ONNX Runtime fetched, compiled and started, while the model's files arrive: else the first run would wait for it. */
async function runOnce(backend: Backend): Promise<void> {
  const engine = new Engine({ backend, giveBack: async () => undefined })
  const x = input('x', [1])
  await engine.evaluate([x.add(x)], { x: { dtype: 'float32', shape: [1], data: Float32Array.of(1) } })
  await engine.dispose()
}
