import { DiopterError } from '../../errors/index.ts'
import { methodNames, methodOf } from '../registry.ts'
import type { MethodClaims } from './claims.ts'
import { discoverClaims } from './discovery-claims.ts'
import { circuitClaims, headClaims } from './head-claims.ts'
import { lensClaims, tunedLensClaims } from './lens-claims.ts'
import { attributionPatchClaims, edgeAttributionClaims, patchClaims, pathPatchClaims } from './pair-claims.ts'
import { ablationClaims, attributeClaims } from './question-claims.ts'
import { ablatePairsClaims, selfRepairClaims } from './repair-claims.ts'
import { scrubClaims } from './scrub-claims.ts'
import { subspaceClaims } from './subspace-claims.ts'
import { causalTraceClaims } from './trace-claims.ts'

/** Claims of any method: its values are its own business. */
export type AnyClaims = MethodClaims<never>

/** What methods claim about a model's circuit: a new method that claims something is a row here. */
const claims: Readonly<Record<string, AnyClaims>> = {
  patch: patchClaims,
  attribution_patch: attributionPatchClaims,
  patch_subspace: subspaceClaims,
  path_patch: pathPatchClaims,
  edge_attribution: edgeAttributionClaims,
  discover: discoverClaims,
  attribute: attributeClaims,
  ablate: ablationClaims,
  self_repair: selfRepairClaims,
  ablate_pairs: ablatePairsClaims,
  causal_trace: causalTraceClaims,
  scrub: scrubClaims,
  heads: headClaims,
  circuits: circuitClaims,
  lens: lensClaims,
  tuned_lens: tunedLensClaims,
}

/** The methods whose claims can be held against a compiled model's truth. */
export const claimingMethods: readonly string[] = methodNames.filter((name) => claims[name])

/** What a method claims. Throws for names of no method, and for methods that claim nothing about a model's circuit. */
export function claimsOf(name: string): AnyClaims {
  const { title } = methodOf(name)
  const found = claims[name]
  if (found) return found
  throw new DiopterError(
    `${title} (${name}) makes no claim about which parts of a model do what, so there is no truth to hold it against. Methods that do: ${claimingMethods.join(', ')}.`,
  )
}
