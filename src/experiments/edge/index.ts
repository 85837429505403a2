import { type AnyClaims, claimsOf, restrictClaims } from '../../runs/index.ts'
import type { Experiment } from '../experiment.ts'
import { ablationWorth } from './ablation-claims.ts'
import { edgeExperiment } from './edge-case.ts'
import type { WatchedMethod } from './trials.ts'

const isCopying = ({ name }: { readonly name: string }) => name.endsWith('copies')

const eigenvalueChecks = ['heads with positive eigenvalues copy']
const compositionChecks = ['composition is no common direction', 'composition in use shows in the weights']

const normChecks = ["holding the final norm's scale changes little"]
const directionChecks = ['both directions agree']

const ablationChecks = [
  ...['zero', 'mean'].map((kind) => `${kind} and resample ablation agree`),
  'later layers do not make up for the top parts',
]

const scrubChecks = ['per-example KL tells the same as the mean loss', 'the data vary every input by itself']

const patching = claimsOf('patch')
/** What a part restores, taken for what the answer loses without it. */
const restoredIsNeeded: AnyClaims = {
  ...patching,
  truth: 'parts by the share of the answer that goes when they are patched out of the clean run, exactly',
  runs: (compiled) => patching.runs(compiled, { direction: 'corrupted_into_clean' }),
}

/** What breaks, by the experiment's name: a new edge case is a row here and its experiments/edge-<name>/experiment.json. */
const cases: Readonly<Record<string, WatchedMethod>> = {
  'edge-layer-norm': { method: 'attribute', claims: claimsOf('attribute'), checks: normChecks },
  'edge-activation-patching': { method: 'patch', claims: restoredIsNeeded, checks: directionChecks },
  'edge-ablation': { method: 'ablate', claims: ablationWorth, checks: ablationChecks },
  'edge-causal-scrubbing': {
    method: 'scrub',
    claims: claimsOf('scrub'),
    checks: scrubChecks,
    // So many that answers are wrong by their mechanism, and not by chance.
    parameters: { samples: 1024 },
  },
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
