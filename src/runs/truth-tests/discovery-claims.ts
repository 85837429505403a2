import type { DiscoveryValues } from '../../methods/index.ts'
import { edgesThatMatter, MATTERS_FROM, trueEdges } from '../../models/compiled/index.ts'
import type { MethodClaims } from './claims.ts'
import { byCorruption, pairPrompts } from './pair-claims.ts'

/** What circuit discovery claims. */
export const discoverClaims: MethodClaims<DiscoveryValues> = {
  claims: 'the edges of the circuit',
  truth: `edges whose exact patch moves the answer of some pair by ${100 * MATTERS_FROM} % of the difference or more, in one direction or the other`,
  runs: (compiled) =>
    byCorruption(compiled).map((group) => ({
      prompts: pairPrompts(group.pairs),
      parameters: { holdOut: false, randomCircuits: 0 },
      truth: edgesThatMatter(trueEdges(group)).map((name) => ({ name, share: null })),
      read: ({ circuit }) =>
        circuit!.edges.map(({ from, to }) => ({ name: `${from}->${to.includes('.') ? to : `${to}.in`}`, share: null })),
    })),
}
