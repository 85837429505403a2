import type { Engine, Program, TensorValue } from '../engine/index.ts'
import type { Parameter, TrainingState } from '../optim/index.ts'
import { input, type Tensor, topologicalOrder } from '../tensor/index.ts'
import type { Evaluation, Problem } from './problem.ts'

/** All evaluations of a problem, compiled. */
export interface Evaluator {
  (state: TrainingState): Promise<Record<string, number | number[]>>
  release(): void
}

/** Compiles every evaluation to a program; the result runs them all on a state. */
export function compileEvaluations(engine: Engine, { parameters, evaluations }: Problem): Evaluator {
  const programs = evaluations.map((evaluation) => compileEvaluation(engine, parameters, evaluation))
  const evaluate = async (state: TrainingState) => {
    const values: Record<string, number | number[]> = {}
    for (const run of programs) Object.assign(values, await run(state.parameters))
    return values
  }
  return Object.assign(evaluate, {
    release: () => {
      for (const program of programs) program.release()
    },
  })
}

/** Compiles one evaluation; the result measures it for given parameters. */
export function compileEvaluation(
  engine: Engine,
  parameters: readonly Parameter[],
  { name, inputs, trace }: Evaluation,
): {
  (values: ReadonlyMap<string, Float32Array>): Promise<Record<string, number | number[]>>
  release(): void
} {
  const places = new Map(parameters.map(({ name: one, shape }) => [one, input(`parameter/${one}`, shape)]))
  const data = Object.entries(inputs).map(
    ([one, { dtype, shape }]) => [one, input(`input/${one}`, shape, dtype)] as const,
  )
  const traced = trace(places, Object.fromEntries(data))
  const keys = Object.keys(traced)
  // what is measured need not depend on every parameter: an attention pattern never sees the unembedding
  const reached = new Set(topologicalOrder(Object.values(traced)))
  const fed = parameters.filter(({ name: one }) => reached.has(places.get(one)!))
  const program: Program = engine.compile(Object.values(traced) as Tensor[], { residency: 'inputs' })
  const fixed = Object.fromEntries(Object.entries(inputs).map(([one, value]) => [`input/${one}`, value]))
  const run = async (values: ReadonlyMap<string, Float32Array>) => {
    const feeds: Record<string, TensorValue> = { ...fixed }
    for (const { name: one, shape } of fed) {
      feeds[`parameter/${one}`] = { dtype: 'float32', shape, data: values.get(one)! }
    }
    const results = await program.run(feeds)
    return Object.fromEntries(
      keys.map((key, i) => {
        const numbers = [...results[i]!.data].map(Number)
        return [`${name}/${key}`, results[i]!.shape.length === 0 ? numbers[0]! : numbers]
      }),
    )
  }
  return Object.assign(run, { release: () => program.release() })
}
