import * as v from 'valibot'
import { DiopterError, nearMatches } from '../errors/index.ts'

/** The value that a schema makes of an input. Throws naming every bad field by its path, and what could stand there. */
export function validate<Output>(schema: v.GenericSchema<unknown, Output>, input: unknown, what: string): Output {
  const result = v.safeParse(schema, input)
  if (result.success) return result.output
  const lines = result.issues.map((issue) => describe(schema, issue))
  throw new DiopterError(
    `${what} is not valid:\n${lines.slice(0, 8).join('\n')}${lines.length > 8 ? `\n... and ${lines.length - 8} more` : ''}`,
  )
}

function describe(schema: v.GenericSchema, issue: v.BaseIssue<unknown>): string {
  const path = (issue.path ?? []).map(({ key }) => key)
  const place = path.length === 0 ? 'the whole' : path.map(String).join('.')
  const key = String(path.at(-1))
  const known = Object.keys(entriesAt(schema, path.slice(0, -1)) ?? {})
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    if (known.length === 0) return `  ${place}: there is no '${key}' here`
    return `  ${place}: there is no '${key}'; did you mean ${nearMatches(key, known, 3).join(', ')}? All: ${known.join(', ')}`
  }
  if (issue.type === 'strict_object' && issue.received === 'undefined') return `  ${place}: is missing`
  const nested = (issue.issues ?? []).map(describeInner)
  const detail = nested.length > 0 && issue.type === 'union' ? ` (${[...new Set(nested)].join('; ')})` : ''
  return `  ${place}: ${issue.message}${detail}`
}

/** An alternative's complaint, by its own field where it has one. */
function describeInner({ type, expected, received, message }: v.BaseIssue<unknown>): string {
  if (type !== 'strict_object') return message
  if (expected === 'never') return `there is no ${received}`
  return received === 'undefined' ? `${expected} is missing` : message
}

type Inner = v.GenericSchema & {
  readonly entries?: Readonly<Record<string, v.GenericSchema>>
  readonly item?: v.GenericSchema
  /** The schema of every value of a record. */
  readonly value?: v.GenericSchema
  readonly wrapped?: v.GenericSchema
}

/** The fields of the object that a path leads to, where the schema says which that is. */
function entriesAt(schema: v.GenericSchema, path: readonly unknown[]): Inner['entries'] {
  let at: Inner | undefined = schema
  for (const key of path) {
    while (at?.wrapped) at = at.wrapped
    at = typeof key === 'number' ? at?.item : (at?.entries?.[String(key)] ?? at?.value)
  }
  while (at?.wrapped) at = at.wrapped
  return at?.entries
}
