import { DiopterError } from '../errors/index.ts'

/** One line of a training log: what was measured after `step` steps, by name. */
export interface LogEntry {
  readonly step: number
  readonly values: Readonly<Record<string, number | readonly number[]>>
}

/** A quantity over training. */
export interface Curve {
  readonly steps: readonly number[]
  readonly values: readonly number[]
}

/** A log entry as its line of JSON. Numbers that JSON lacks (a diverged loss) are written as strings. */
export function logLine(entry: LogEntry): string {
  return `${JSON.stringify({ step: entry.step, ...entry.values }, (_, value) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
  )}\n`
}

/** Reads a log. @throws DiopterError with the line's number when a line is not JSON with a step. */
export function parseLog(text: string): LogEntry[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line, i) => {
      const parsed = parseLine(line, i)
      const { step, ...values } = parsed
      return { step: step as number, values: values as LogEntry['values'] }
    })
}

function parseLine(line: string, i: number): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(line, (_, value) => (isNotFinite(value) ? Number(value) : value))
    if (typeof parsed === 'object' && parsed !== null && 'step' in parsed && typeof parsed.step === 'number')
      return parsed as Record<string, unknown>
  } catch {
    // said below
  }
  throw new DiopterError(`Line ${i + 1} of the training log is not a JSON object with a step: ${line.slice(0, 80)}`)
}

const isNotFinite = (value: unknown) => value === 'NaN' || value === 'Infinity' || value === '-Infinity'

/**
 * One quantity of a log over the steps that have it; `index` picks from a list.
 * Throws with the names that exist when there is none, and for a list without that entry.
 */
export function curveOf(log: readonly LogEntry[], name: string, index?: number): Curve {
  const points = log.flatMap(({ step, values }) => {
    const value = values[name]
    if (value === undefined) return []
    if (typeof value === 'number') return [{ step, value }]
    const entry = value[index ?? -1]
    if (entry === undefined)
      throw new DiopterError(`'${name}' is a list of ${value.length} in the training log: say which entry, from 0.`)
    return [{ step, value: entry }]
  })
  if (points.length === 0) {
    const names = [...new Set(log.flatMap(({ values }) => Object.keys(values)))]
    throw new DiopterError(`The training log has no '${name}'; it has: ${names.join(', ') || 'nothing'}.`)
  }
  return { steps: points.map(({ step }) => step), values: points.map(({ value }) => value) }
}
