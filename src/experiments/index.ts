import { DiopterError, nearMatches } from '../errors/index.ts'
import { additionExperiment } from './addition/index.ts'
import { agreement } from './agreement/index.ts'
import { causalTracingExperiment } from './causal-tracing/index.ts'
import { doubleDescent } from './double-descent/index.ts'
import { edgeCases } from './edge/index.ts'
import type { Experiment } from './experiment.ts'
import { grokking } from './grokking/index.ts'
import { inductionHeads } from './induction/index.ts'
import { privilegedBasisExperiment } from './privileged-basis/index.ts'
import { superpositionExperiment } from './superposition/index.ts'
import { textModel } from './text/index.ts'

/** Every reproduction: a new one is a folder here, a line in this table and its experiments/<name>/experiment.json. */
export const experiments: readonly Experiment[] = [
  additionExperiment,
  agreement,
  causalTracingExperiment,
  doubleDescent,
  ...edgeCases,
  grokking,
  inductionHeads,
  privilegedBasisExperiment,
  superpositionExperiment,
  textModel,
]

/** The experiment of that name. Throws with the names that exist. */
export function findExperiment(name: string): Experiment {
  const found = experiments.find((experiment) => experiment.name === name)
  if (found) return found
  const names = experiments.map((experiment) => experiment.name)
  throw new DiopterError(
    `There is no experiment '${name}'. Near: ${nearMatches(name, names, 2).join(', ')}. All: ${names.join(', ')}.`,
  )
}
