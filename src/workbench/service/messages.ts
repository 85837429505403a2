import type { Progress } from '../../errors/index.ts'
import type { ModelConfig } from '../../models/index.ts'
import type { ModelSpec, RunResult, RunSpec, RunSpecInput } from '../../runs/index.ts'
import type { PromptAlignment } from '../../tokenizer/align.ts'
import type { LogEntry, TrainingConfig } from '../../train/index.ts'

/** Where a spec's graphs run; `wasm` and `webgpu` in a page, `cpu`, `webgpu` and `cuda` in Node. */
export type BackendName = RunSpec['backend']

/** A model that can be chosen. */
export interface ModelEntry {
  /** What a spec's `model.ref` says. */
  readonly ref: string
  readonly title: string
  /** One sentence: what it is good for; empty where nobody said. */
  readonly about: string
  readonly bytes: number
  readonly origin: 'shipped' | 'folder' | 'cache' | 'dropped'
  /** Why it cannot be opened; null where it can. */
  readonly problem: string | null
}

/** A model that is open. */
export interface OpenedModel {
  readonly ref: string
  readonly revision: string | null
  readonly config: ModelConfig
  readonly hookNames: readonly string[]
  /** False where texts cannot be read: prompts are then token ids. */
  readonly hasTokenizer: boolean
  readonly parameters: number
  readonly weightBytes: number
  /** As the engine names itself: provider, threads, and why there are not more. */
  readonly backend: string
}

/** A text as the model sees it. */
export interface TokenizedText {
  readonly ids: readonly number[]
  /** One per id, as decoded: leading spaces and line breaks included. */
  readonly tokens: readonly string[]
}

/** What can be asked of a service, and what it answers. */
export interface Requests {
  /** The models there are to choose from. */
  readonly models: { readonly ask: Record<never, never>; readonly answer: readonly ModelEntry[] }
  /** Opens a model, or gives the one that is open. */
  readonly open: {
    readonly ask: { readonly model: ModelSpec; readonly backend: BackendName }
    readonly answer: OpenedModel
  }
  readonly tokenize: {
    readonly ask: {
      readonly model: ModelSpec
      readonly backend: BackendName
      readonly text: string
      readonly prependBos?: boolean
    }
    readonly answer: TokenizedText
  }
  readonly align: {
    readonly ask: {
      readonly model: ModelSpec
      readonly backend: BackendName
      readonly clean: string
      readonly corrupt: string
    }
    readonly answer: {
      readonly clean: TokenizedText
      readonly corrupt: TokenizedText
      readonly alignment: PromptAlignment
    }
  }
  /** Carries a spec out. A cancelled run answers what it has, `complete: false`. */
  readonly run: { readonly ask: { readonly spec: RunSpecInput }; readonly answer: RunResult }
  /** Trains a small model in memory and streams its log. */
  readonly train: {
    readonly ask: { readonly training: TrainingConfig; readonly backend: BackendName }
    readonly answer: { readonly log: readonly LogEntry[]; readonly complete: boolean; readonly seconds: number }
  }
}

export type RequestName = keyof Requests

/** A request as it travels: plain JSON. */
export type ServiceRequest = {
  [Name in RequestName]: { readonly kind: Name } & Requests[Name]['ask']
}[RequestName]

/** What travels back before the answer. */
export type StreamEvent =
  | { readonly kind: 'progress'; readonly progress: Progress }
  /** A run's result so far, `complete: false`: cells that are not done are null. */
  | { readonly kind: 'partial'; readonly result: RunResult }
  /** New text of `generate`. */
  | { readonly kind: 'token'; readonly prompt: number; readonly text: string }
  /** A training's new log entries. */
  | { readonly kind: 'log'; readonly entries: readonly LogEntry[] }

/** Everything that travels back; the last one is `done`, `failed` or `cancelled`. Arrays are as `resultToJson` writes them. */
export type ServiceEvent =
  | StreamEvent
  | { readonly kind: 'done'; readonly answer: unknown }
  /** `expected`: a sentence for people; else a defect, with its stack. */
  | { readonly kind: 'failed'; readonly message: string; readonly expected: boolean }
  /** Cancelled with nothing to show, or stopped by force; `message` says which. */
  | { readonly kind: 'cancelled'; readonly message: string }
