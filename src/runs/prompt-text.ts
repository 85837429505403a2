import type { PromptJson } from './prompt-schema.ts'

/** A prompt as typed: a text, or token ids as a JSON list such as `[46,85,40]`. */
export function readPrompt(text: string): PromptJson {
  if (!/^\s*\[\s*\d+\s*(,\s*\d+\s*)*\]\s*$/.test(text)) return text
  return JSON.parse(text) as number[]
}
