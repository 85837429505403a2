import type { TrainingState } from '../optim/index.ts'
import type { TrainingConfig } from './config.ts'
import type { LogEntry } from './log.ts'

/** All that a training needs to go on exactly: its state, and how much of the log belongs to it. */
export interface TrainingCheckpoint {
  readonly state: TrainingState
  readonly config: TrainingConfig
  /** Bytes of the log when the checkpoint was made; what was written later is repeated on resuming. */
  readonly logBytes: number
  /** Seconds that the run had computed. */
  readonly seconds: number
}

/** Where a run keeps what it made: a folder, or memory. */
export interface RunStore {
  /**
   * The newest checkpoint that is whole; undefined before the first. Says through `warn` which ones it passed over.
   * Throws when there are checkpoints, and none is whole.
   */
  latest(warn: (message: string) => void): Promise<TrainingCheckpoint | undefined>
  save(checkpoint: TrainingCheckpoint): Promise<void>
  /** Appends to the log; resolves to its bytes. */
  log(entry: LogEntry): Promise<number>
  /** Cuts the log to the bytes that a checkpoint knows. */
  truncateLog(bytes: number): Promise<void>
  readLog(): Promise<LogEntry[]>
  /** Keeps the parameters of a step for studies of training. */
  snapshot(step: number, parameters: ReadonlyMap<string, Float32Array>): Promise<void>
}

/** A store in memory: for short runs, browsers without files, and tests. */
export interface MemoryStore extends RunStore {
  readonly entries: readonly LogEntry[]
  readonly snapshots: ReadonlyMap<number, ReadonlyMap<string, Float32Array>>
}

/** Makes an empty store in memory; `bytes` of its log are lines. */
export function memoryStore(): MemoryStore {
  const entries: LogEntry[] = []
  const snapshots = new Map<number, ReadonlyMap<string, Float32Array>>()
  let last: TrainingCheckpoint | undefined
  return {
    entries,
    snapshots,
    latest: async () => last,
    save: async (checkpoint) => {
      last = checkpoint
    },
    log: async (entry) => entries.push(entry),
    truncateLog: async (bytes) => {
      entries.length = bytes
    },
    readLog: async () => [...entries],
    snapshot: async (step, parameters) => {
      snapshots.set(step, parameters)
    },
  }
}
