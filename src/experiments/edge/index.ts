import { claimsOf, restrictClaims } from '../../runs/index.ts'
import type { Experiment } from '../experiment.ts'
import { edgeExperiment } from './edge-case.ts'
import type { WatchedMethod } from './trials.ts'

const isCopying = ({ name }: { readonly name: string }) => name.endsWith('copies')

const eigenvalueChecks = ['heads with positive eigenvalues copy']
const compositionChecks = ['composition is no common direction', 'composition in use shows in the weights']

/** What breaks, by the experiment's name: a new edge case is a row here and its experiments/edge-<name>/experiment.json. */
const cases: Readonly<Record<string, WatchedMethod>> = {
  'edge-eigenvalue-copying': {
    method: 'circuits',
    claims: restrictClaims(claimsOf('circuits'), isCopying, eigenvalueChecks),
    checks: eigenvalueChecks,
  },
  'edge-composition': {
    method: 'circuits',
    claims: restrictClaims(claimsOf('circuits'), (claim) => !isCopying(claim), compositionChecks),
    checks: compositionChecks,
  },
}

/** Where methods break, and whether their checks see it (protocols of the "breaking current techniques" problems, Nanda 2022). */
export const edgeCases: readonly Experiment[] = Object.entries(cases).map(([name, watched]) =>
  edgeExperiment(name, watched),
)
