import type { PromptJson, TokenJson } from '../runs/index.ts'
import { UsageError } from './errors.ts'

/** A prompt as typed: a text, or token ids as a JSON list such as `[46,85,40]`. */
export function parsePrompt(text: string): PromptJson {
  if (!/^\s*\[\s*\d+\s*(,\s*\d+\s*)*\]\s*$/.test(text)) return text
  return JSON.parse(text) as number[]
}

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
