import type { Command } from '../command.ts'
import { ablate } from './ablate.ts'
import { attention } from './attention.ts'
import { attribute } from './attribute.ts'
import { capture } from './capture.ts'
import { circuits } from './circuits.ts'
import { corpus } from './corpus.ts'
import { edgeAttribution } from './edge-attribution.ts'
import { experiment } from './experiment.ts'
import { generate } from './generate.ts'
import { heads } from './heads.ts'
import { info } from './info.ts'
import { lens } from './lens.ts'
import { models } from './models.ts'
import { patch } from './patch.ts'
import { pathPatch } from './path-patch.ts'
import { predict } from './predict.ts'
import { run } from './run.ts'
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
  circuits,
  attribute,
  patch,
  pathPatch,
  edgeAttribution,
  ablate,
  capture,
  generate,
  run,
  corpus,
  train,
  experiment,
  info,
  verify,
  models,
]
