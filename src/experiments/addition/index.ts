import type { Experiment } from '../experiment.ts'
import { additionFigures } from './figures.ts'
import { measureAddition } from './measure.ts'

/** Addition in one layer and in two: what is learned in which order, which head and step does what, and cascading carries. */
export const additionExperiment: Experiment = {
  name: 'addition',
  measure: measureAddition,
  figures: additionFigures,
}
