import { methodOf, type RunResult } from '../../../runs/index.ts'
import { chipLabel } from '../left/edit-words.ts'

/** A result in one line: its method, and what sets it apart from others of it. */
export function pinLabel({ spec }: RunResult): string {
  const { method, parameters, edits, prompts } = spec
  const parts = [
    methodOf(method).title,
    ...Object.entries(parameters).map(
      ([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`,
    ),
    ...edits.map(chipLabel),
    ...(prompts.length > 0 ? [firstWords(prompts[0])] : []),
  ]
  return parts.join(' · ')
}

function firstWords(prompt: unknown): string {
  if (typeof prompt === 'string') return `“${prompt.length > 32 ? `${prompt.slice(0, 31)}…` : prompt}”`
  if (Array.isArray(prompt)) return `${prompt.length} token ids`
  const { clean, prompt: text } = prompt as { clean?: unknown; prompt?: unknown }
  return firstWords(clean ?? text ?? '')
}
