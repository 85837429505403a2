import { DiopterError, nearMatches } from '../../../errors/index.ts'
import { type CompiledFamily, compileFamily } from '../compile.ts'
import type { CompiledModel, InstanceOptions } from '../compiled-model.ts'
import { backupHead } from './backup-head.ts'
import { bimodalGate } from './bimodal-gate.ts'
import { commonDirection } from './common-direction.ts'
import { commonMode } from './common-mode.ts'
import { compositionChannel } from './composition-channel.ts'
import { constantGiant } from './constant-giant.ts'
import { constantHead } from './constant-head.ts'
import { correlatedInputs } from './correlated-inputs.ts'
import { dominatedNorm } from './dominated-norm.ts'
import { erasingLayer } from './erasing-layer.ts'
import { induction } from './induction.ts'
import { linkedInputs } from './linked-inputs.ts'
import { logicGates } from './logic-gates.ts'
import { miscount } from './miscount.ts'
import { nonNormalCopying } from './non-normal-copying.ts'
import { rotatedBasis } from './rotated-basis.ts'
import { subspaceIllusion } from './subspace-illusion.ts'
import { switchChannel } from './switch-channel.ts'
import { uniformShift } from './uniform-shift.ts'

/** Every kind of compiled model. */
export const compiledFamilies: readonly CompiledFamily[] = [
  induction,
  ...logicGates,
  ...[backupHead, constantHead, bimodalGate, erasingLayer, rotatedBasis, dominatedNorm, constantGiant],
  ...[compositionChannel, switchChannel, commonMode, nonNormalCopying, uniformShift, commonDirection],
  ...[subspaceIllusion, correlatedInputs, linkedInputs, miscount],
]

/** Builds one instance of the family of that name; the same options give the same model everywhere. Throws for names of no family. */
export function compileModel(name: string, options: InstanceOptions = {}): CompiledModel {
  const family = compiledFamilies.find((one) => one.name === name)
  if (family) return compileFamily(family, options)
  const names = compiledFamilies.map((one) => one.name)
  throw new DiopterError(
    `There is no family of compiled models called '${name}'. Near: ${nearMatches(name, names).join(', ')}; there are ${names.join(', ')}.`,
  )
}
