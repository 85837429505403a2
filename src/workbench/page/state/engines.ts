import type { BackendName } from '../../service/messages.ts'
import type { Service } from '../../service/service.ts'
import { createStore, type Store } from './store.ts'
import type { EngineName, Workspace } from './workspace.ts'

/** How fast an engine was when it last ran something. */
export interface Speed {
  /** What was run. */
  readonly what: string
  readonly milliseconds: number
  /** Of the last generated text. */
  readonly tokensPerSecond: number | null
}

/** An engine as the page knows it. */
export interface Engine {
  /** Null where there is none: `problem` says why. */
  readonly service: Service | null
  readonly problem: string | null
  /** Why it cannot use WebGPU; null where it can. */
  readonly gpuProblem: string | null
  readonly speed: Speed | null
}

export type Engines = Readonly<Record<EngineName, Engine>>

export type EngineAction =
  | {
      readonly kind: 'found'
      readonly engine: EngineName
      readonly service: Service
      readonly gpuProblem: string | null
    }
  | { readonly kind: 'absent'; readonly engine: EngineName; readonly problem: string }
  | { readonly kind: 'measured'; readonly engine: EngineName; readonly speed: Speed }

/** The engines after an action. */
export function reduceEngines(state: Engines, action: EngineAction): Engines {
  const before = state[action.engine]
  switch (action.kind) {
    case 'found': {
      const { service, gpuProblem } = action
      return { ...state, [action.engine]: { ...before, service, problem: null, gpuProblem } }
    }
    case 'absent':
      return { ...state, [action.engine]: { ...before, service: null, problem: action.problem } }
    case 'measured':
      return { ...state, [action.engine]: { ...before, speed: action.speed } }
  }
}

/** What a spec's `backend` says for the chosen engine. */
export function backendOf({ engine, gpu }: Pick<Workspace, 'engine' | 'gpu'>): BackendName {
  if (gpu) return 'webgpu'
  return engine === 'browser' ? 'wasm' : 'cpu'
}

const unknown: Engine = { service: null, problem: 'It is being looked for.', gpuProblem: null, speed: null }

export type EngineStore = Store<Engines, EngineAction>
export const createEngines = (): EngineStore => createStore(reduceEngines, { browser: unknown, node: unknown })
