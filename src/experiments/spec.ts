import * as v from 'valibot'
import { DiopterError, nearMatches } from '../errors/index.ts'
import { validate } from '../runs/validate.ts'
import { mergePatch } from './merge-patch.ts'

const seeds = v.pipe(v.array(v.pipe(v.number(), v.integer(), v.minValue(0))), v.minLength(1))
const fields = v.record(v.string(), v.unknown())
const sentence = v.pipe(v.string(), v.minLength(1))

const armSchema = v.strictObject({
  /** `claim`: what the claim is about. `control`: what must come out otherwise, if the claim is to mean anything. */
  role: v.picklist(['claim', 'control']),
  description: sentence,
  seeds: v.optional(seeds),
  /** A training config without its seed; absent for arms that train nothing through the trainer. */
  training: v.optional(fields),
  /** What measuring needs beside the training. */
  parameters: v.optional(fields, {}),
})

/** How a measure may be held against a number. */
export const comparisons = {
  atLeast: (value: number, limit: number) => value >= limit,
  atMost: (value: number, limit: number) => value <= limit,
  above: (value: number, limit: number) => value > limit,
  below: (value: number, limit: number) => value < limit,
} as const

/** The name of a comparison. */
export type Comparison = keyof typeof comparisons

const barFields = v.strictObject({
  id: sentence,
  statement: sentence,
  arm: v.string(),
  /** The name of a scalar that the arm measures. */
  measure: v.string(),
  atLeast: v.optional(v.number()),
  atMost: v.optional(v.number()),
  above: v.optional(v.number()),
  below: v.optional(v.number()),
  /** How many seeds must pass. */
  seeds: v.optional(v.union([v.literal('all'), v.pipe(v.number(), v.integer(), v.minValue(1))]), 'all'),
  /** The limit of the short version; null: not held against it. */
  quick: v.optional(v.nullable(v.number())),
})

const names = Object.keys(comparisons) as Comparison[]

const barSchema = v.pipe(
  barFields,
  v.check(
    (bar) => names.filter((name) => bar[name] !== undefined).length === 1,
    `A bar has exactly one of ${names.join(', ')}`,
  ),
)

const experimentSchema = v.strictObject({
  title: sentence,
  claim: sentence,
  source: v.array(sentence),
  /** What was published. */
  expected: v.array(sentence),
  seeds,
  arms: v.record(v.string(), armSchema),
  /** What the short version changes: its seeds, and a merge patch (RFC 7396) for the arms; an arm of null is left out. */
  quick: v.optional(
    v.strictObject({ seeds: v.optional(seeds), arms: v.optional(v.record(v.string(), v.nullable(fields)), {}) }),
    {},
  ),
  bars: v.pipe(v.array(barSchema), v.minLength(1)),
})

/** A whole experiment.json. */
export type ExperimentSpec = v.InferOutput<typeof experimentSchema>

/** One arm of an experiment.json. */
export type ArmSpec = v.InferOutput<typeof armSchema>

/** One bar of an experiment.json. */
export type BarSpec = v.InferOutput<typeof barSchema>

/**
 * Checks the content of an experiment.json; `where` names it in errors.
 * @throws DiopterError that names every field that does not fit, and bars and overrides of arms that do not exist.
 */
export function parseExperiment(value: unknown, where: string): ExperimentSpec {
  const spec = validate(experimentSchema, value, where)
  const arms = Object.keys(spec.arms)
  const requireArm = (arm: string, field: string) => {
    if (arms.includes(arm)) return
    const near = nearMatches(arm, arms, 1)
    throw new DiopterError(
      `${where} is not valid:\n  ${field}: there is no arm '${arm}'; did you mean ${near}? All: ${arms.join(', ')}`,
    )
  }
  for (const arm of Object.keys(spec.quick.arms)) requireArm(arm, `quick.arms.${arm}`)
  for (const [i, bar] of spec.bars.entries()) {
    requireArm(bar.arm, `bars.${i}.arm`)
    if (spec.bars.findIndex(({ id }) => id === bar.id) !== i)
      throw new DiopterError(`${where} is not valid:\n  bars.${i}.id: there is another bar '${bar.id}'`)
    const { length } = spec.arms[bar.arm]!.seeds ?? spec.seeds
    if (bar.seeds !== 'all' && bar.seeds > length)
      throw new DiopterError(
        `${where} is not valid:\n  bars.${i}.seeds: ${bar.seeds} seeds must pass, but the arm '${bar.arm}' has ${length}`,
      )
  }
  return spec
}

/** The arms of the short version: those of `spec` with its `quick.arms` merged in. Throws where the result is no arm. */
export function quickArms(spec: ExperimentSpec, where: string): Readonly<Record<string, ArmSpec>> {
  const merged = mergePatch(spec.arms, spec.quick.arms)
  return validate(v.record(v.string(), armSchema), merged, `${where}, with quick.arms merged in,`)
}

/** The comparison of a bar and its limit. */
export function limitOf(bar: BarSpec): { readonly comparison: Comparison; readonly limit: number } {
  const comparison = names.find((name) => bar[name] !== undefined)!
  return { comparison, limit: bar[comparison]! }
}
