import * as v from 'valibot'
import { DiopterError } from '../../errors/index.ts'
import { validate } from '../../runs/validate.ts'
import type { ArmContext, Experiment, Measures } from '../experiment.ts'
import { openFolderModel } from '../folder-model.ts'
import { compareAnswers } from './compare-answers.ts'
import { figures } from './figures.ts'
import { fourAnswers } from './four-answers.ts'

const armSchema = v.strictObject({ model: v.string() })

/** Four ways of finding induction heads and the previous-token edge: do attention, ablation, path patching and weights agree? */
export const agreement: Experiment = {
  name: 'agreement',
  async measure({ arm, parameters, engine, resources, seed, signal, quick }: ArmContext): Promise<Measures> {
    const { model: folder } = validate(armSchema, parameters, `The parameters of agreement, arm ${arm},`)
    const model = await openFolderModel(folder, resources, engine)
    if (!model) throw new DiopterError(`${folder} has no model.safetensors: run this from a checkout of the project.`)
    try {
      const answers = await fourAnswers(model, { seed, pairs: quick ? 4 : 16, signal })
      return { scalars: compareAnswers(answers), curves: {}, tables: { answers } }
    } finally {
      await model.dispose()
    }
  },
  figures,
}
