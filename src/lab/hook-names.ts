import { DiopterError, nearMatches } from '../errors/index.ts'

/** Whether a pattern has wildcards: `*` any characters, `?` one, as Python's fnmatch reads them. */
export function isGlob(pattern: string): boolean {
  return /[*?]/.test(pattern)
}

function globToRegExp(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`)
}

/** The names that a name or glob means. Throws with near matches when there is none: nothing is silently ignored. */
export function matchNames(pattern: string, names: readonly string[], what: string): string[] {
  const expression = globToRegExp(pattern)
  const matches = isGlob(pattern)
    ? names.filter((name) => expression.test(name))
    : names.filter((name) => name === pattern)
  if (matches.length > 0) return matches
  const near = nearMatches(pattern, names).join(', ')
  throw new DiopterError(
    `${what} '${pattern}' matches nothing in this model. Near: ${near}. \`diopter info\` lists all.`,
  )
}

/** The layer of a hook or weight name `blocks.{l}...`, or undefined outside blocks. */
export function layerOf(name: string): number | undefined {
  const match = /^blocks\.(\d+)\./.exec(name)
  return match ? Number(match[1]) : undefined
}

/** Whether a hook's tensor is [rows, heads, queries, keys] rather than [tokens, ...]. */
export function isAttentionHook(name: string): boolean {
  return name.endsWith('.hook_attn_scores') || name.endsWith('.hook_pattern')
}

/** Whether a hook's tensor has a head axis before its last. */
export function isHeadHook(name: string): boolean {
  return /\.attn\.hook_(q|k|v|z|rot_q|rot_k|result)$/.test(name)
}
