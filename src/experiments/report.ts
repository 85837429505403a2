import * as v from 'valibot'
import { validate } from '../runs/validate.ts'
import { formatNumber } from '../views/scales.ts'
import { type BarOutcome, holdBars } from './bars.ts'
import type { ArmResult } from './experiment.ts'
import type { ExperimentPlan } from './plan.ts'
import { type Comparison, comparisons } from './spec.ts'

/** JSON has no NaN and no infinities: these are written as their names. */
const numberSchema = v.union([v.number(), v.pipe(v.picklist(['NaN', 'Infinity', '-Infinity']), v.transform(Number))])

const resultsSchema = v.strictObject({
  quick: v.boolean(),
  bars: v.array(
    v.strictObject({
      ...{ id: v.string(), statement: v.string(), arm: v.string(), measure: v.string() },
      comparison: v.picklist(Object.keys(comparisons) as Comparison[]),
      ...{ limit: v.number(), needed: v.number() },
      seeds: v.array(v.strictObject({ seed: v.number(), value: numberSchema, passed: v.boolean() })),
      met: v.boolean(),
    }),
  ),
  runs: v.array(
    v.strictObject({
      ...{ arm: v.string(), seed: v.number() },
      /** Seconds of training; absent for arms that train nothing. */
      trainingSeconds: v.optional(v.number()),
      scalars: v.record(v.string(), numberSchema),
      /** Rows of the write-up, by column. */
      findings: v.optional(v.array(v.record(v.string(), v.union([v.string(), v.number()])))),
    }),
  ),
})

/** The content of results.json: every bar with all its seeds, and every scalar of every run. */
export type ExperimentResults = v.InferOutput<typeof resultsSchema>

/** What results.json says about an experiment that was measured. `seconds` gives the training time of a run. */
export function resultsOf(
  { bars }: ExperimentPlan,
  results: readonly ArmResult[],
  quick: boolean,
  seconds: (arm: string, seed: number) => number | undefined,
): ExperimentResults {
  return {
    quick,
    bars: holdBars(bars, results) as ExperimentResults['bars'],
    runs: results.map(({ arm, seed, measures }) => {
      const trained = seconds(arm, seed)
      return {
        ...{ arm, seed },
        ...(trained === undefined ? {} : { trainingSeconds: Math.round(trained) }),
        scalars: { ...measures.scalars },
        ...(measures.findings ? { findings: measures.findings.map((row) => ({ ...row })) } : {}),
      }
    }),
  }
}

/** The text of results.json. */
export function writeResults(results: ExperimentResults): string {
  const text = JSON.stringify(
    results,
    (_, value: unknown) => (typeof value === 'number' && !Number.isFinite(value) ? String(value) : value),
    2,
  )
  return `${text}\n`
}

/** Reads results.json. Throws when it is not one; `where` names it. */
export function readResults(text: string, where: string): ExperimentResults {
  return validate(resultsSchema, JSON.parse(text), where)
}

const WORDS: Readonly<Record<Comparison, string>> = { atLeast: '>=', atMost: '<=', above: '>', below: '<' }

/** `>= 0.95`, with how many seeds must pass where not all must. */
export function wanted({ comparison, limit, needed, seeds }: Omit<BarOutcome, 'met'>): string {
  const part = needed < seeds.length ? ` (${needed} of ${seeds.length} seeds)` : ''
  return `${WORDS[comparison]} ${formatNumber(limit)}${part}`
}

/** `2 of 3 bars are met`. */
export function verdict(bars: readonly Pick<BarOutcome, 'met'>[]): string {
  return `${bars.filter(({ met }) => met).length} of ${bars.length} bars are met`
}

/** Heading and rows of the table of bars: a column per seed of any arm, failing values marked. */
export function barTable(bars: readonly BarOutcome[]): string[][] {
  const seeds = [...new Set(bars.flatMap((bar) => bar.seeds.map(({ seed }) => seed)))].sort((a, b) => a - b)
  const cell = (bar: BarOutcome, seed: number) => {
    const outcome = bar.seeds.find((one) => one.seed === seed)
    if (!outcome) return ''
    return outcome.passed ? formatNumber(outcome.value) : `${formatNumber(outcome.value)} ✗`
  }
  return [
    ['bar', 'arm', 'measure', 'wanted', ...seeds.map((seed) => `seed ${seed}`), 'met'],
    ...bars.map((bar) => [
      ...[bar.id, bar.arm, bar.measure, wanted(bar)],
      ...seeds.map((seed) => cell(bar, seed)),
      bar.met ? 'yes' : 'NO',
    ]),
  ]
}

const OPEN = '<!-- results -->'
const CLOSE = '<!-- /results -->'

/** A README with the table of bars, and of what was found beside them, put between its markers; undefined when it has none. */
export function readmeWithResults(readme: string, name: string, { bars, runs }: ExperimentResults): string | undefined {
  const [from, to] = [readme.indexOf(OPEN), readme.indexOf(CLOSE)]
  if (from < 0 || to < from) return undefined
  const [heading, ...rows] = barTable(bars) as [string[], ...string[][]]
  const statements = bars.map(({ id, statement }) => `- **${id}**: ${statement}`)
  const body = [
    `${verdict(bars)} (\`diopter experiment run ${name}\`; ✗ marks a seed that misses its bar).`,
    '',
    ...markdownTable(heading, rows),
    '',
    ...statements,
    ...runs.flatMap(findingsOf),
  ]
  return `${readme.slice(0, from)}${OPEN}\n${body.join('\n')}\n${readme.slice(to)}`
}

function findingsOf({ arm, seed, findings = [] }: ExperimentResults['runs'][number]): string[] {
  if (findings.length === 0) return []
  const columns = [...new Set(findings.flatMap((row) => Object.keys(row)))]
  const cell = (value: string | number | undefined) => (typeof value === 'number' ? formatNumber(value) : (value ?? ''))
  const rows = findings.map((row) => columns.map((column) => cell(row[column])))
  return ['', `Arm **${arm}**, seed ${seed}, found:`, '', ...markdownTable(columns, rows)]
}

function markdownTable(heading: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(heading), line(heading.map(() => '---')), ...rows.map(line)]
}
