import { DiopterError } from '../errors/index.ts'
import { completeTrainingConfig } from '../train/complete-config.ts'
import type { TrainingConfig } from '../train/index.ts'
import { type ArmSpec, type Comparison, type ExperimentSpec, limitOf, quickArms } from './spec.ts'

/** One arm with one seed: what is trained once and measured once. */
export interface PlannedRun {
  readonly arm: string
  readonly seed: number
  readonly parameters: Readonly<Record<string, unknown>>
  /** Undefined for arms that train nothing through the trainer. */
  readonly training: TrainingConfig | undefined
}

/** A bar as one version of the experiment holds it. */
export interface PlannedBar {
  readonly id: string
  readonly statement: string
  readonly arm: string
  readonly measure: string
  readonly comparison: Comparison
  readonly limit: number
  /** How many of the arm's seeds must pass. */
  readonly needed: number
}

/** All that one version of an experiment, full or short, trains and holds. */
export interface ExperimentPlan {
  readonly runs: readonly PlannedRun[]
  readonly bars: readonly PlannedBar[]
}

/**
 * Works out an experiment's runs and bars; `where` names its experiment.json in errors.
 * @throws DiopterError when an arm's training does not fit its task; the error names the field.
 */
export function planExperiment(spec: ExperimentSpec, quick: boolean, where: string): ExperimentPlan {
  const arms = quick ? quickArms(spec, where) : spec.arms
  const seedsOf = (name: string): readonly number[] => {
    if (!quick) return arms[name]!.seeds ?? spec.seeds
    // an arm's own seeds are those of the full version, unless the short one names some for it
    const own = spec.quick.arms[name]?.seeds === undefined ? undefined : arms[name]!.seeds
    return own ?? spec.quick.seeds ?? arms[name]!.seeds ?? spec.seeds
  }
  const runs = Object.entries(arms).flatMap(([name, arm]) =>
    seedsOf(name).map((seed) => ({
      arm: name,
      seed,
      parameters: arm.parameters,
      training: trainingOf(arm, seed, `${where}, arms.${name}.training`),
    })),
  )
  const bars = spec.bars.flatMap((bar): PlannedBar[] => {
    if (!(bar.arm in arms) || (quick && bar.quick === null)) return []
    const { comparison, limit } = limitOf(bar)
    const { length } = seedsOf(bar.arm)
    return [
      {
        ...{ id: bar.id, statement: bar.statement, arm: bar.arm, measure: bar.measure, comparison },
        limit: quick ? (bar.quick ?? limit) : limit,
        needed: bar.seeds === 'all' ? length : Math.min(bar.seeds, length),
      },
    ]
  })
  return { runs, bars }
}

function trainingOf({ training }: ArmSpec, seed: number, where: string): TrainingConfig | undefined {
  if (!training) return undefined
  if ('seed' in training) throw new DiopterError(`${where}.seed: seeds are given for all arms, in 'seeds'.`)
  try {
    return completeTrainingConfig({ ...training, seed })
  } catch (error) {
    throw new DiopterError(`${where}: ${error instanceof Error ? error.message : error}`)
  }
}
