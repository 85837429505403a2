import type { PromptJson, TokenJson } from '../runs/index.ts'
import { UsageError } from './errors.ts'

/** An answer as typed, its leading space included; beside a prompt of token ids, a whole number is a token id. */
export function parseToken(text: string, prompt: PromptJson): TokenJson {
  return typeof prompt !== 'string' && /^\d+$/.test(text) ? Number(text) : text
}

/** An object of a JSON lines file. Throws a usage error that names the line's place among the values. */
export function recordOf(value: unknown, place: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new UsageError(
    `${place} must be an object such as {"clean": "...", "corrupt": "...", "answer": " a", "wrong": " b"}.`,
  )
}
