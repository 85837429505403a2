import type { Experiment } from './experiment.ts'

/** Every reproduction: a new one is a folder here, a line in this table and its experiments/<name>/experiment.json. */
export const experiments: readonly Experiment[] = []
