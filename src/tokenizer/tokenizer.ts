import { DiopterError } from '../errors/index.ts'
import { type FileSource, readJsonObject } from '../hub/source.ts'
import { type ChatMessage, chatTemplates, renderChat } from './chat.ts'
import { createDecodeStream, type DecodedPiece, type DecodeStream } from './decode.ts'
import { createEncoder, type TokenizerJson } from './encode.ts'
import type { Span } from './spans.ts'
import { decoderRules, displayBytes } from './token-bytes.ts'

/** How a text is encoded. */
export interface EncodeOptions {
  /** Whether the post-processor's special tokens go around the text; true unless said otherwise. */
  readonly addSpecialTokens?: boolean | undefined
  /** Overrides the post-processor's start token: true puts exactly one beginning-of-sequence token first, false none. */
  readonly prependBos?: boolean | undefined
}

/** The start token of an encoded text, and who decided about it. `id` is null when there is none. */
export interface StartToken {
  readonly id: number | null
  readonly token: string | null
  readonly source: 'post-processor' | 'prependBos' | 'none'
}

/** An encoded text. */
export interface Encoding {
  readonly ids: number[]
  /** Each token as text for people; bytes of an incomplete character look like `<0xE2>`. */
  readonly tokens: string[]
  /** Each token's place in the text; tokens that are not in the text have an empty one. */
  readonly spans: Span[]
  readonly startToken: StartToken
}

/** A tokenizer: text to ids and back. */
export interface Tokenizer {
  /** Number of ids: one more than the largest. */
  readonly vocabSize: number
  readonly bosId: number | null
  readonly eosId: number | null
  readonly padId: number | null
  readonly unkId: number | null
  /** Special tokens by their text. */
  readonly specialTokens: ReadonlyMap<string, number>
  /** @throws DiopterError when `prependBos` is true and the tokenizer has no start token. */
  encode(text: string, options?: EncodeOptions): Encoding
  /** The text of tokens; special tokens are left out when `skipSpecialTokens` says so. @throws DiopterError on an id outside the vocabulary. */
  decode(ids: Iterable<number>, options?: { skipSpecialTokens?: boolean }): string
  /**
   * Decodes token by token, for generation: what it emits follows `decode(prompt)` exactly.
   * @param options.prompt ids that came before and are not emitted. Special tokens are skipped unless `skipSpecialTokens` is false.
   */
  decodeStream(options?: { prompt?: Iterable<number>; skipSpecialTokens?: boolean }): DecodeStream
  /** One token as text for people. @throws DiopterError on an id outside the vocabulary. */
  tokenText(id: number): string
  /**
   * The id of a text that is one token exactly as typed: no invented space, no special tokens around it.
   * @throws DiopterError that lists the pieces when the text is not one token.
   */
  tokenId(text: string): number
  /**
   * Renders a conversation with the model's chat template. Encode the result with `addSpecialTokens: false`.
   * @throws DiopterError when the tokenizer has no template, or the template refuses the messages.
   */
  chatTemplate(messages: readonly ChatMessage[], options?: { addGenerationPrompt?: boolean; template?: string }): string
}

/**
 * Opens the tokenizer of a model repository: `tokenizer.json`, and what `tokenizer_config.json`, `special_tokens_map.json`
 * and `chat_template.jinja` add to it.
 * @throws DiopterError when there is no `tokenizer.json`, or it is of a kind that is not supported.
 */
export async function loadTokenizer(source: FileSource): Promise<Tokenizer> {
  if (!source.files.includes('tokenizer.json')) {
    const slow = source.files.filter((file) => /^(vocab\.json|merges\.txt|.*\.model)$/.test(file))
    throw new DiopterError(
      `${source.description} has no tokenizer.json. ${slow.length > 0 ? `It has the older form (${slow.join(', ')}): in Python, AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR) writes tokenizer.json. ` : ''}Without one, give token ids instead of text.`,
    )
  }
  const optional = async (file: string) => (source.files.includes(file) ? readJsonObject(source, file) : {})
  const json = (await readJsonObject(source, 'tokenizer.json')) as unknown as TokenizerJson
  const config = { ...(await optional('special_tokens_map.json')), ...(await optional('tokenizer_config.json')) }
  const templateFile = 'chat_template.jinja'
  const jinja = source.files.includes(templateFile) ? await source.readText(templateFile) : undefined
  return createTokenizer(json, config, jinja)
}

/** Builds a tokenizer from the parsed files; `loadTokenizer` says which. */
export function createTokenizer(
  json: TokenizerJson,
  config: Record<string, unknown> = {},
  chatTemplateText?: string,
): Tokenizer {
  const { spelling, stripsFirstSpace } = decoderRules(json.decoder)
  const encoder = createEncoder(json, config, spelling)
  const added = new Map((json.added_tokens ?? []).map((token) => [token.id, token]))
  const special = new Set([...added.values()].filter((token) => token.special).map(({ id }) => id))
  const namedToken = (name: string): string | null => {
    const value = config[name] as string | { content: string } | null | undefined
    return (typeof value === 'object' ? value?.content : value) ?? null
  }
  const namedId = (name: string): number | null => encoder.idOf(namedToken(name) ?? '') ?? null
  const bosId = namedId('bos_token')

  const tokenOf = (id: number): string => {
    const token = encoder.vocabulary[id]
    if (token === undefined) {
      throw new DiopterError(`There is no token ${id}; the vocabulary has ids 0 to ${encoder.vocabulary.length - 1}.`)
    }
    return token
  }
  const pieceOf = (id: number): DecodedPiece => added.get(id)?.content ?? encoder.bytesOf(tokenOf(id))
  const tokenText = (id: number): string => {
    const piece = pieceOf(id)
    return typeof piece === 'string' ? piece : displayBytes(piece)
  }
  const stream = (skipSpecialTokens: boolean): DecodeStream =>
    createDecodeStream((id) => (skipSpecialTokens && special.has(id) ? undefined : pieceOf(id)), stripsFirstSpace)

  const startOf = (
    addSpecialTokens: boolean,
    prependBos: boolean | undefined,
  ): { before: number[]; source: StartToken['source'] } => {
    const before = addSpecialTokens ? [...encoder.before] : []
    if (prependBos === undefined) return { before, source: before.length > 0 ? 'post-processor' : 'none' }
    if (!prependBos) return { before: [], source: 'prependBos' }
    if (bosId === null) {
      throw new DiopterError('prependBos was asked for, but this tokenizer names no start token (bos_token).')
    }
    return { before: [bosId, ...before.filter((id) => id !== bosId)], source: 'prependBos' }
  }

  return {
    vocabSize: encoder.vocabulary.length,
    bosId,
    eosId: namedId('eos_token'),
    padId: namedId('pad_token'),
    unkId: namedId('unk_token'),
    specialTokens: new Map([...special].map((id) => [added.get(id)!.content, id])),
    tokenText,
    encode(text, { addSpecialTokens = true, prependBos } = {}) {
      const { before, source: decidedBy } = startOf(addSpecialTokens, prependBos)
      const after = addSpecialTokens ? encoder.after : []
      const pieces = encoder.encode(text, false)
      const ids = [...before, ...pieces.ids, ...after]
      const start = before[0] ?? null
      return {
        ids,
        tokens: ids.map(tokenText),
        spans: [
          ...before.map((): Span => [0, 0]),
          ...pieces.spans,
          ...after.map((): Span => [text.length, text.length]),
        ],
        startToken: { id: start, token: start === null ? null : tokenText(start), source: decidedBy },
      }
    },
    decode(ids, { skipSpecialTokens = false } = {}) {
      const decoding = stream(skipSpecialTokens)
      return Array.from(ids, (id) => decoding.push(id)).join('') + decoding.end()
    },
    decodeStream({ prompt = [], skipSpecialTokens = true } = {}) {
      const decoding = stream(skipSpecialTokens)
      for (const id of prompt) decoding.push(id)
      return decoding
    },
    tokenId(text) {
      const { ids } = encoder.encode(text, true)
      if (ids.length === 1) return ids[0]!
      if (ids.length === 0) throw new DiopterError('An empty text is no token.')
      const pieces = ids.map((id) => `${JSON.stringify(tokenText(id))} (${id})`).join(', ')
      const spaced = text.startsWith(' ') ? undefined : encoder.encode(` ${text}`, true).ids
      const hint = spaced?.length === 1 ? ` With a leading space, ${JSON.stringify(` ${text}`)} is one token.` : ''
      throw new DiopterError(`${JSON.stringify(text)} is ${ids.length} tokens: ${pieces}. One is needed.${hint}`)
    },
    chatTemplate(messages, { addGenerationPrompt = false, template } = {}) {
      const special = Object.fromEntries(
        ['bos_token', 'eos_token', 'pad_token', 'unk_token'].map((name) => [name, namedToken(name)]),
      )
      return renderChat(chatTemplates(config, chatTemplateText), template, messages, addGenerationPrompt, special)
    },
  }
}
