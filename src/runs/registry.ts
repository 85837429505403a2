import { DiopterError, nearMatches } from '../errors/index.ts'
import type { Method } from './method.ts'
import { ablate } from './rows/ablate.ts'
import { ablatePairsRow } from './rows/ablate-pairs.ts'
import { attention } from './rows/attention.ts'
import { attribute } from './rows/attribute.ts'
import { attributionPatch } from './rows/attribution-patch.ts'
import { capture } from './rows/capture.ts'
import { causalTraceRow } from './rows/causal-trace.ts'
import { circuitsRow } from './rows/circuits.ts'
import { discover } from './rows/discover.ts'
import { edgeAttributionRow } from './rows/edge-attribution.ts'
import { generate } from './rows/generate.ts'
import { heads } from './rows/heads.ts'
import { lens } from './rows/lens.ts'
import { maxActivatingRow } from './rows/max-activating.ts'
import { patch } from './rows/patch.ts'
import { patchSubspace } from './rows/patch-subspace.ts'
import { pathPatch } from './rows/path-patch.ts'
import { predict } from './rows/predict.ts'
import { scrub } from './rows/scrub.ts'
import { selfRepairRow } from './rows/self-repair.ts'
import { tunedLensRow } from './rows/tuned-lens.ts'

/** Every method: a new one is a file in methods/, a row file beside these, and a line here. */
export const methods: readonly Method[] = [
  predict,
  lens,
  tunedLensRow,
  attention,
  heads,
  maxActivatingRow,
  circuitsRow,
  attribute,
  patch,
  attributionPatch,
  patchSubspace,
  causalTraceRow,
  pathPatch,
  edgeAttributionRow,
  discover,
  scrub,
  ablate,
  selfRepairRow,
  ablatePairsRow,
  capture,
  generate,
]

/** The names of all methods. */
export const methodNames: readonly string[] = methods.map(({ name }) => name)

/** The method of that name. Throws with all names when there is none. */
export function methodOf(name: string): Method {
  const found = methods.find((method) => method.name === name)
  if (found) return found
  throw new DiopterError(
    `There is no method '${name}'; did you mean ${nearMatches(name, methodNames, 1)[0]}? All: ${methodNames.join(', ')}.`,
  )
}
