import { UsageError } from './errors.ts'

/**
 * A copy of an object in which `path=value` is set, for example `optimiser.learningRate=0.01`; the value is JSON, or else
 * a text. Throws a usage error when there is no `=`, or the path leads through something that is no object.
 */
export function withSetting(object: Readonly<Record<string, unknown>>, assignment: string): Record<string, unknown> {
  const at = assignment.indexOf('=')
  if (at < 1) throw new UsageError(`--set takes path=value, such as config.p=59; it got "${assignment}".`)
  return assign(object, assignment.slice(0, at).split('.'), readValue(assignment.slice(at + 1)), assignment)
}

function assign(
  object: Readonly<Record<string, unknown>>,
  [key, ...rest]: readonly string[],
  value: unknown,
  assignment: string,
): Record<string, unknown> {
  if (rest.length === 0) return { ...object, [key!]: value }
  const inner = object[key!] ?? {}
  if (typeof inner !== 'object' || Array.isArray(inner))
    throw new UsageError(`--set ${assignment}: ${key} is ${JSON.stringify(inner)}, which has no ${rest.join('.')}.`)
  return { ...object, [key!]: assign(inner as Record<string, unknown>, rest, value, assignment) }
}

function readValue(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
