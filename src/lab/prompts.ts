import { DiopterError } from '../errors/index.ts'
import type { ModelConfig } from '../models/config.ts'
import type { StartToken, Tokenizer } from '../tokenizer/tokenizer.ts'
import type { Prompt } from './edits.ts'

/** A prompt as the model reads it. */
export interface TokenizedPrompt {
  readonly text: string | null
  readonly ids: readonly number[]
  /** Each token as text for people. */
  readonly tokens: readonly string[]
  /** What stands first and who decided so; null for prompts given as ids. */
  readonly startToken: StartToken | null
}

/** One prompt as ids. Throws when text is given to a model without a tokenizer, or an id is outside the vocabulary. */
export function tokenizePrompt(
  prompt: Prompt,
  tokenizer: Tokenizer | null,
  config: ModelConfig,
  prependBos?: boolean,
): TokenizedPrompt {
  if (typeof prompt === 'string') {
    if (!tokenizer)
      throw new DiopterError(
        'This model has no tokenizer.json, so prompts must be lists of token ids, for example [46, 85, 40].',
      )
    const { ids, tokens, startToken } = tokenizer.encode(prompt, { prependBos })
    if (ids.length === 0)
      throw new DiopterError(
        'The prompt is empty, and no start token stands before it; give text, or ask for the start token (prependBos, --prepend-bos).',
      )
    checkIds(ids, config)
    return { text: prompt, ids, tokens, startToken }
  }
  if (prompt.length === 0) throw new DiopterError('The prompt is an empty list; give at least one token id.')
  checkIds(prompt, config)
  return {
    text: null,
    ids: prompt,
    tokens: prompt.map((id) => tokenizer?.tokenText(id) ?? String(id)),
    startToken: null,
  }
}

function checkIds(ids: readonly number[], config: ModelConfig): void {
  for (const id of ids) {
    if (!Number.isInteger(id) || id < 0 || id >= config.d_vocab)
      throw new DiopterError(`Token id ${id} is outside the vocabulary (0..${config.d_vocab - 1}).`)
  }
}

/** Whether a value is one prompt rather than a list of them. */
export function isOnePrompt(prompts: Prompt | readonly Prompt[]): prompts is Prompt {
  return typeof prompts === 'string' || (prompts.length > 0 && typeof prompts[0] === 'number')
}

export function listPrompts(prompts: Prompt | readonly Prompt[]): readonly Prompt[] {
  const list = isOnePrompt(prompts) ? [prompts] : prompts
  if (list.length === 0) throw new DiopterError('No prompts were given.')
  return list
}
