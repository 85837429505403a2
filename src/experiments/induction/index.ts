import type { Experiment } from '../experiment.ts'
import { inductionFigures } from './figures.ts'
import { measureInduction } from './measure.ts'

/** Induction heads: the circuit of two layers, and the phase change in which it forms (Elhage et al. 2021; Olsson et al. 2022). */
export const inductionHeads: Experiment = {
  name: 'induction',
  measure: measureInduction,
  figures: inductionFigures,
}
