import type { Command } from '../command.ts'
import { ablate } from './ablate.ts'
import { ablatePairs } from './ablate-pairs.ts'
import { attention } from './attention.ts'
import { attribute } from './attribute.ts'
import { capture } from './capture.ts'
import { circuits } from './circuits.ts'
import { corpus } from './corpus.ts'
import { discover } from './discover.ts'
import { edgeAttribution } from './edge-attribution.ts'
import { experiment } from './experiment.ts'
import { generate } from './generate.ts'
import { heads } from './heads.ts'
import { info } from './info.ts'
import { lens } from './lens.ts'
import { maxActivating } from './max-activating.ts'
import { models } from './models.ts'
import { patch } from './patch.ts'
import { patchSubspace } from './patch-subspace.ts'
import { pathPatch } from './path-patch.ts'
import { predict } from './predict.ts'
import { run } from './run.ts'
import { scrub } from './scrub.ts'
import { selfRepair } from './self-repair.ts'
import { testMethod } from './test-method.ts'
import { trace } from './trace.ts'
import { train } from './train.ts'
import { tunedLens } from './tuned-lens.ts'
import { verify } from './verify.ts'
import { workbench } from './workbench.ts'

/** All commands, in the order of the overview: a new command is one file and one row here. */
export const commands: readonly Command[] = [
  workbench,
  predict,
  lens,
  tunedLens,
  attention,
  heads,
  maxActivating,
  circuits,
  attribute,
  patch,
  patchSubspace,
  trace,
  pathPatch,
  edgeAttribution,
  discover,
  scrub,
  ablate,
  selfRepair,
  ablatePairs,
  capture,
  generate,
  run,
  corpus,
  train,
  experiment,
  testMethod,
  info,
  verify,
  models,
]
