import type { Backend } from '../../engine/index.ts'
import { DiopterError, nearMatches, throwIfAborted, type WorkOptions } from '../../errors/index.ts'
import { openCompiled } from '../../lab/index.ts'
import type { Check } from '../../methods/index.ts'
import { type CompiledModel, compiledFamilies, compileModel } from '../../models/compiled/index.ts'
import { methodOf } from '../registry.ts'
import { type Agreement, compareClaims, type TruthRun } from './claims.ts'
import { type AnyClaims, claimsOf } from './table.ts'

/** On which models a method is tested. */
export interface TestMethodOptions extends WorkOptions {
  /** Where the compiled models run; it stays the caller's. */
  readonly backend: Backend
  /** All unless said. */
  readonly families?: readonly string[] | undefined
  /** Instances of each family; 1, 2 and 3 unless said. */
  readonly seeds?: readonly number[] | undefined
  /** How much of each family's misleading mechanism: its sound neighbour (0) and all of it (1) unless said. */
  readonly misleads?: readonly number[] | undefined
  /** Parameters of the method on top of those of its test. */
  readonly parameters?: Readonly<Record<string, unknown>> | undefined
  /** Claims of the method other than those of the table: what a test of the test needs. */
  readonly claims?: AnyClaims | undefined
}

/** One run of a method on one instance. */
export interface TestedRun extends Agreement {
  readonly family: string
  readonly seed: number
  readonly mislead: number
  /** Whether anything it claimed was wrong, or missing. */
  readonly misled: boolean
  readonly checks: readonly Pick<Check, 'name' | 'verdict' | 'threshold' | 'margin'>[]
  /** Why the method refused the model; null where it ran. */
  readonly refused: string | null
}

/** How often checks fired, among the runs in which the method was misled and among those in which it was right. */
export interface CheckCounts {
  readonly misled: number
  readonly firedWhenMisled: number
  readonly right: number
  readonly firedWhenRight: number
}

/** A method on one family, with some amount of its mechanism, over all seeds. */
export interface FamilyOutcome extends CheckCounts {
  readonly family: string
  readonly mislead: number
  /** Whether the family says that its mechanism misleads some method. */
  readonly misleads: readonly string[]
  readonly runs: number
  readonly refused: number
  /** Claims that are true among all claims; null where nothing was claimed. */
  readonly precision: number | null
  /** Truths that were claimed among all truths; null where there is nothing to find. */
  readonly recall: number | null
}

/** What a test of a method gives. */
export interface MethodTest {
  readonly method: string
  readonly claims: string
  readonly truth: string
  readonly parameters: Readonly<Record<string, unknown>>
  readonly seeds: readonly number[]
  readonly families: readonly FamilyOutcome[]
  readonly total: Omit<FamilyOutcome, 'family' | 'mislead' | 'misleads'>
  /** Every check that the method made, also those that do not watch over these claims. */
  readonly checks: readonly (CheckCounts & {
    readonly name: string
    readonly watches: boolean
    readonly notTested: number
  })[]
  readonly runs: readonly TestedRun[]
  /** False when the work was cancelled; instances that were done are kept. */
  readonly complete: boolean
}

/**
 * Runs a method over compiled models, whose circuits are known exactly, and holds what it claims against the truth: precision and
 * recall per family, and whether some check fails where the method is misled and all hold where it is right. Throws for
 * methods that claim nothing (see `claimsOf`), for names of no family, and what the method throws, but a refusal of a model.
 */
export async function testMethod(name: string, options: TestMethodOptions): Promise<MethodTest> {
  const { backend, seeds = [1, 2, 3], misleads = [0, 1], parameters = {}, signal, onProgress } = options
  const claims = options.claims ?? claimsOf(name)
  const families = familiesNamed(options.families)
  const instances = families.flatMap((family) =>
    (family.misleads.length === 0 ? misleads.slice(-1) : misleads).flatMap((mislead) =>
      seeds.map((seed) => ({ family, mislead, seed })),
    ),
  )
  const runs: TestedRun[] = []
  let complete = true
  for (const [done, { family, mislead, seed }] of instances.entries()) {
    try {
      throwIfAborted(signal)
      const compiled = compileModel(family.name, { seed, mislead })
      runs.push(...(await testOn(name, claims, compiled, backend, parameters, signal)))
    } catch (error) {
      if (!signal?.aborted) throw error
      complete = false
      break
    }
    onProgress?.({ phase: 'testing', done: done + 1, total: instances.length, unit: 'models' })
  }
  const cells = families.flatMap((family) => misleads.map((mislead) => ({ family, mislead })))
  return {
    method: name,
    claims: claims.claims,
    truth: claims.truth,
    parameters,
    seeds,
    families: cells.flatMap(({ family, mislead }) => {
      const own = runs.filter((run) => run.family === family.name && run.mislead === mislead)
      return own.length === 0
        ? []
        : [{ family: family.name, mislead, misleads: family.misleads, ...outcome(own, claims) }]
    }),
    total: outcome(runs, claims),
    checks: checkCounts(runs, claims),
    runs,
    complete,
  }
}

function familiesNamed(names: readonly string[] | undefined) {
  if (names === undefined) return compiledFamilies
  return names.map((name) => {
    const found = compiledFamilies.find((family) => family.name === name)
    if (found) return found
    const all = compiledFamilies.map((family) => family.name)
    throw new DiopterError(
      `There is no family of compiled models called '${name}'. Near: ${nearMatches(name, all).join(', ')}; all: ${all.join(', ')}.`,
    )
  })
}

/** The runs of a method on one compiled model, beside its truth. Throws what the method throws, but a refusal of the model. */
export async function testOn(
  name: string,
  { runs }: AnyClaims,
  compiled: CompiledModel,
  backend: Backend,
  parameters: Readonly<Record<string, unknown>>,
  signal: AbortSignal | undefined,
): Promise<TestedRun[]> {
  const method = methodOf(name)
  const model = await openCompiled(compiled, backend)
  const { family, seed, mislead } = compiled
  try {
    const tested: TestedRun[] = []
    for (const run of runs(compiled, parameters) as readonly TruthRun<object>[]) {
      const asked = { ...run.parameters, ...parameters }
      const result = await method
        .run(model, run.prompts, asked, { edits: [], seed, signal })
        .catch((error: unknown) => {
          if (error instanceof DiopterError && !signal?.aborted) return error
          throw error
        })
      if (result instanceof DiopterError) {
        const nothing = { claimed: 0, true: 0, right: 0, wrong: [], missed: [] }
        tested.push({ family, seed, mislead, ...nothing, misled: false, checks: [], refused: result.message })
        continue
      }
      const agreement = compareClaims(run.read(result.values), run.truth)
      tested.push({
        ...{ family, seed, mislead, ...agreement },
        misled: agreement.wrong.length + agreement.missed.length > 0,
        checks: result.checks.map(({ name, verdict, threshold, margin }) => ({ name, verdict, threshold, margin })),
        refused: null,
      })
    }
    return tested
  } finally {
    await model.dispose()
  }
}

const watches = ({ watchedBy }: AnyClaims, name: string) => watchedBy?.includes(name) ?? true

function countWhere(runs: readonly TestedRun[], isFired: (run: TestedRun) => boolean): CheckCounts {
  const [misled, right] = [true, false].map((is) => runs.filter((run) => run.misled === is && run.refused === null))
  return {
    misled: misled!.length,
    firedWhenMisled: misled!.filter(isFired).length,
    right: right!.length,
    firedWhenRight: right!.filter(isFired).length,
  }
}

function outcome(runs: readonly TestedRun[], claims: AnyClaims): MethodTest['total'] {
  const fired = ({ checks }: TestedRun) =>
    checks.some(({ name, verdict }) => verdict === 'fails' && watches(claims, name))
  const sum = (of: (run: TestedRun) => number) => runs.reduce((total, run) => total + of(run), 0)
  const [claimed, real, right] = [sum((run) => run.claimed), sum((run) => run.true), sum((run) => run.right)]
  return {
    runs: runs.length,
    refused: runs.filter(({ refused }) => refused !== null).length,
    precision: claimed === 0 ? null : right / claimed,
    recall: real === 0 ? null : right / real,
    ...countWhere(runs, fired),
  }
}

function checkCounts(runs: readonly TestedRun[], claims: AnyClaims): MethodTest['checks'] {
  const names = [...new Set(runs.flatMap(({ checks }) => checks.map(({ name }) => name)))]
  return names.map((name) => {
    const made = runs.filter(({ checks }) => checks.some((check) => check.name === name))
    const is = (verdict: Check['verdict']) => (run: TestedRun) =>
      run.checks.some((check) => check.name === name && check.verdict === verdict)
    return {
      name,
      watches: watches(claims, name),
      ...countWhere(made, is('fails')),
      notTested: made.filter(is('not tested')).length,
    }
  })
}
