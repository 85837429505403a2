import type { Engine } from '../engine/index.ts'
import type { WorkOptions } from '../errors/index.ts'
import type { LogEntry, Problem, TaskResources, TrainingConfig } from '../train/index.ts'

/** What was measured on one run: numbers that bars are held against, and the curves and tables that figures show. */
export interface Measures {
  readonly scalars: Readonly<Record<string, number>>
  /** Quantities over steps (or over another axis that the name says). */
  readonly curves: Readonly<Record<string, { readonly x: readonly number[]; readonly y: readonly number[] }>>
  /** Anything else that is JSON: matrices for heat maps, tables. */
  readonly tables: Readonly<Record<string, unknown>>
  /** Rows for the write-up, by heading: what was found where no bar is held. */
  readonly findings?: readonly Finding[]
}

/** A row of a write-up's table, by column. */
export type Finding = Readonly<Record<string, string | number>>

/** One finished training, as an experiment reads it. */
export interface TrainedRun {
  readonly config: TrainingConfig
  readonly problem: Problem
  readonly log: readonly LogEntry[]
  /** Parameters after the last step. */
  readonly parameters: ReadonlyMap<string, Float32Array>
  /** Steps of which parameters were kept, ascending. */
  readonly snapshotSteps: readonly number[]
  snapshot(step: number): Promise<ReadonlyMap<string, Float32Array>>
}

/** One arm (the claim's, or a control's) with one seed. */
export interface ArmContext extends WorkOptions {
  readonly arm: string
  readonly seed: number
  /** Numbers of the arm's `parameters` in experiment.json: what measuring needs beside the training. */
  readonly parameters: Readonly<Record<string, unknown>>
  readonly engine: Engine
  /** The files that the task could read. */
  readonly resources: TaskResources
  /** The finished training; undefined for arms that train nothing through the trainer. */
  readonly run: TrainedRun | undefined
  /** Whether this is the short version. */
  readonly quick: boolean
}

/** What one arm and seed gave. */
export interface ArmResult {
  readonly arm: string
  readonly seed: number
  readonly measures: Measures
}

/** A reproduction: how runs are measured and pictured. Claim, arms, seeds and bars are data in experiments/<name>/experiment.json. */
export interface Experiment {
  readonly name: string
  measure(context: ArmContext): Promise<Measures>
  /** SVG pictures by file name without `.svg`. */
  figures(results: readonly ArmResult[]): Readonly<Record<string, string>>
}
