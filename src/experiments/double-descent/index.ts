import type { Experiment } from '../experiment.ts'
import { figures } from './figures.ts'
import { measureDoubleDescent } from './measure.ts'

/** Double descent over model size and over data (Belkin et al. 2019, arXiv 1812.11118; Nakkiran et al. 2020, arXiv 1912.02292). */
export const doubleDescent: Experiment = { name: 'double-descent', measure: measureDoubleDescent, figures }
