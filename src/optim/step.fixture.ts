import * as v from 'valibot'
import type { Engine } from '../engine/index.ts'
import { type OptimiserSpec, optimiserSchema } from './optimisers/index.ts'
import { compileTrainingStep, type TrainingStepOptions } from './training-step.ts'

/** An optimiser from its plain data, defaults filled in. */
export function parseOptimiser(spec: object): OptimiserSpec {
  return v.parse(optimiserSchema, spec)
}

/** What `runSteps` trains: one parameter, and the gradient that each step is to see. */
export interface PrescribedSteps extends Partial<Pick<TrainingStepOptions, 'clip' | 'schedule' | 'lastStep'>> {
  readonly optimiser: OptimiserSpec
  readonly start: readonly number[]
  readonly gradients: readonly (readonly number[])[]
  readonly decays?: boolean
}

/** The parameter after each step, when the steps see prescribed gradients: the loss is sum(parameter * gradient). */
export async function runSteps(engine: Engine, options: PrescribedSteps): Promise<number[][]> {
  const { start, gradients, decays = true } = options
  const shape = [start.length]
  const step = compileTrainingStep(engine, {
    schedule: { warmup: 0, shape: 'constant', final: 0 },
    lastStep: gradients.length,
    ...options,
    parameters: [{ name: 'p', shape, decays }],
    batch: { gradient: { dtype: 'float32', shape } },
    loss: (parameters, { gradient }) => ({ loss: parameters.get('p')!.mul(gradient!).sum() }),
  })
  let state = step.start(new Map([['p', Float32Array.from(start)]]))
  const after: number[][] = []
  for (const gradient of gradients) {
    ;({ state } = await step.run(state, { gradient: Float32Array.from(gradient) }))
    after.push([...state.parameters.get('p')!])
  }
  step.release()
  return after
}
