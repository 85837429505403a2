import type { Experiment } from '../experiment.ts'
import { figures } from './figures.ts'
import { measureGrokking } from './measure.ts'

/** Grokking of modular addition, and the progress measures that see it coming (Nanda et al. 2023, arXiv 2301.05217). */
export const grokking: Experiment = { name: 'grokking', measure: measureGrokking, figures }
