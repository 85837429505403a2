import { DiopterError } from '../../errors/index.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'

/** A prompt, and the token that should come after it. */
export interface Side {
  readonly prompt: string
  readonly answer: string
}

/** Two prompts of equally many tokens, alike but for what decides the next token. */
export interface PromptPair {
  readonly clean: string
  readonly corrupt: string
  /** The next token after `clean`: one token, exactly as typed. */
  readonly answer: string
  /** The next token after `corrupt`. */
  readonly wrong: string
}

/** A templated task: prompts in the style of the corpus whose next token follows a rule. */
export interface TemplatedTask {
  readonly name: string
  /** One sentence: the rule, and where a model must look. */
  readonly description: string
  /**
   * The pairs that a tokenizer allows. Every pair is there in both directions, so a model that does not look at what differs prefers the
   * answer in exactly half of them.
   * @throws DiopterError when its vocabulary has too few of the task's words.
   */
  pairs(tokenizer: Tokenizer): PromptPair[]
}

/** Whether a text, as typed, is one token. */
export function isOneToken(tokenizer: Tokenizer, text: string): boolean {
  try {
    tokenizer.tokenId(text)
    return true
  } catch (error) {
    if (error instanceof DiopterError) return false
    throw error
  }
}

/** The items all of whose words are single tokens. @throws DiopterError when fewer than `atLeast` are. */
export function singleTokenItems<T extends readonly string[]>(
  tokenizer: Tokenizer,
  items: readonly T[],
  atLeast: number,
): T[] {
  const kept = items.filter((item) => item.every((text) => isOneToken(tokenizer, text)))
  if (kept.length < atLeast) {
    throw new DiopterError(
      `This task needs at least ${atLeast} of its ${items.length} items as single tokens; the vocabulary has ${kept.length}: ${JSON.stringify(kept)}. It is made for the text model's tokenizer.`,
    )
  }
  return kept
}

/** Both directions of a contrast. @throws DiopterError when the prompts differ in length: then positions could not be patched. */
export function bothDirections(tokenizer: Tokenizer, [first, second]: readonly [Side, Side]): [PromptPair, PromptPair] {
  const [a, b] = [first, second].map(({ prompt }) => tokenizer.encode(prompt).ids.length)
  if (a !== b) {
    throw new DiopterError(
      `The prompts of a pair must have equally many tokens: ${JSON.stringify(first.prompt)} has ${a}, ${JSON.stringify(second.prompt)} has ${b}.`,
    )
  }
  const pair = (clean: Side, corrupt: Side): PromptPair => ({
    clean: clean.prompt,
    corrupt: corrupt.prompt,
    answer: clean.answer,
    wrong: corrupt.answer,
  })
  return [pair(first, second), pair(second, first)]
}
