import type { Backend } from '../../engine/index.ts'
import type { WorkOptions } from '../../errors/index.ts'
import { throwIfAborted } from '../../errors/index.ts'
import { type CompiledModel, compileModel, referenceRun, trueLogitDifference } from '../../models/compiled/index.ts'
import { randomSource } from '../../random/index.ts'
import { type AnyClaims, type TestedRun, testOn } from '../../runs/index.ts'

/** One run of a method on a compiled model: whether its answer differs from the exact truth, and what its checks said. */
export interface Trial {
  readonly family: string
  readonly seed: number
  readonly mislead: number
  /** Whether anything it claimed is wrong or missing, beyond the tolerance. */
  readonly isBreakage: boolean
  /** Whether one of the watched checks fails. */
  readonly isFired: boolean
  /** How far the worst watched check is beyond its threshold, in thresholds; negative where all hold. */
  readonly suspicion: number
  /** How strongly the model answers: the mean logit difference over its questions, in nats. */
  readonly effect: number
}

/** A method with what it claims, and the checks that should fail where it is wrong. */
export interface WatchedMethod {
  readonly method: string
  readonly claims: AnyClaims
  readonly checks: readonly string[]
  readonly parameters?: Readonly<Record<string, unknown>>
}

/**
 * Runs a method on `count` instances per family, of seeds from `firstSeed` on, each with its own share of the misleading mechanism: a
 * fifth have none, a fifth all of it, the others a random share. Runs that the method refuses are left out.
 */
export async function drawTrials(
  watched: WatchedMethod,
  { families, count, firstSeed }: { families: readonly string[]; count: number; firstSeed: number },
  backend: Backend,
  { signal, onProgress }: WorkOptions = {},
): Promise<Trial[]> {
  const trials: Trial[] = []
  const total = families.length * count
  for (const [f, family] of families.entries())
    for (let i = 0; i < count; i++) {
      throwIfAborted(signal)
      const seed = firstSeed + i
      const share = randomSource(seed, 'mislead', family).uniform()
      const mislead = Math.min(1, Math.max(0, (share - 0.2) / 0.6))
      const compiled = compileModel(family, { seed, mislead })
      trials.push(...(await trialsOn(watched, compiled, backend, signal)))
      onProgress?.({ phase: family, done: f * count + i + 1, total, unit: 'models' })
    }
  return trials
}

/** The trials of one compiled model. */
export async function trialsOn(
  { method, claims, checks, parameters = {} }: WatchedMethod,
  compiled: CompiledModel,
  backend: Backend,
  signal?: AbortSignal,
): Promise<Trial[]> {
  const runs = await testOn(method, claims, compiled, backend, parameters, signal)
  const effect = meanAnswer(compiled)
  const { family, seed, mislead } = compiled
  return runs
    .filter(({ refused }) => refused === null)
    .map((run) => ({
      ...{ family, seed, mislead, effect },
      isBreakage: run.misled,
      isFired: run.checks.some(({ name, verdict }) => checks.includes(name) && verdict === 'fails'),
      suspicion: suspicionOf(run.checks, checks),
    }))
}

function suspicionOf(made: TestedRun['checks'], watched: readonly string[]): number {
  const values = made
    .filter(({ name, verdict }) => watched.includes(name) && verdict !== 'not tested')
    .map(({ margin, threshold, verdict }) =>
      margin === undefined ? (verdict === 'fails' ? 1 : -1) : -margin / (Math.abs(threshold ?? 0) || 1),
    )
  // a check that finds nothing to test raises no suspicion
  return Math.max(-1, ...values)
}

function meanAnswer({ circuit, questions }: CompiledModel): number {
  const sizes = questions.map((question) =>
    Math.abs(trueLogitDifference(referenceRun(circuit, question.ids), question)),
  )
  return sizes.reduce((sum, x) => sum + x, 0) / sizes.length
}
