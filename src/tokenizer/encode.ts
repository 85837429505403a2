import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers'
import { DiopterError } from '../errors/index.ts'
import { type AddedToken, addedTokenSplitter } from './added-tokens.ts'
import { type AlignedText, alignedSlice } from './aligned-text.ts'
import { type AlignedNormalizer, alignedNormalizer, type TokenizerStep } from './normalizer.ts'
import { type Span, tokenSpans } from './spans.ts'
import { createTokenBytes, type Spelling } from './token-bytes.ts'

/** The parts of a `tokenizer.json` that are read here. */
export interface TokenizerJson {
  readonly added_tokens?: readonly AddedToken[]
  readonly normalizer?: TokenizerStep | null
  readonly pre_tokenizer?: TokenizerStep | null
  readonly post_processor?: TokenizerStep | null
  readonly decoder?: TokenizerStep | null
  readonly model: TokenizerStep
}

/** Tokens of a text without the special tokens that a post-processor adds. */
export interface Pieces {
  readonly ids: number[]
  readonly spans: Span[]
}

/** The library's parts behind our own walk over the text, which keeps the alignment that the library does not. */
export interface Encoder {
  /** @param asTyped leaves out the space that some tokenizers invent before a text. */
  encode(text: string, asTyped: boolean): Pieces
  /** Ids that the post-processor puts before and after a single text. */
  readonly before: readonly number[]
  readonly after: readonly number[]
  idOf(token: string): number | undefined
  /** The bytes of text that a token of the vocabulary stands for. */
  bytesOf(token: string): Uint8Array
  /** The vocabulary by id, added tokens included. */
  readonly vocabulary: readonly (string | undefined)[]
}

/** Builds the encoder of a `tokenizer.json`. @throws DiopterError on kinds of tokenizers that are not supported. */
export function createEncoder(json: TokenizerJson, config: Record<string, unknown>, spelling: Spelling): Encoder {
  if (json.model?.type !== 'BPE' && json.model?.type !== 'Unigram') {
    throw new DiopterError(
      `tokenizer.json has a model of type ${json.model?.type ?? '(none)'}; BPE and Unigram are supported.`,
    )
  }
  const tokenBytes = createTokenBytes(spelling)
  const library = createLibraryTokenizer(json, config)
  const model = library.model!
  const routes = {
    normal: createRoute(json, library, false),
    // A tokenizer of the same rules without the vocabulary: only its pre-tokenizer is used.
    asTyped: createRoute(json, createLibraryTokenizer(withoutInventedSpace(json), config), true),
  }
  const idOf = (token: string): number => {
    const id = model.tokens_to_ids.get(token) ?? model.unk_token_id
    if (id === undefined)
      throw new DiopterError(`The vocabulary has no token ${JSON.stringify(token)} and no unknown token.`)
    return id
  }
  const knownBytes = (token: string): Uint8Array | undefined =>
    token === model.unk_token || !model.tokens_to_ids.has(token) ? undefined : tokenBytes(token)
  // Sentencepiece text has its spaces as "▁", which in other texts is a character like any other.
  const spelledOut = (part: AlignedText): AlignedText =>
    spelling === 'sentencepiece' ? { ...part, text: part.text.replaceAll('▁', ' ') } : part
  const { before, after } = postProcessed(library)
  return {
    before: before.map(idOf),
    after: after.map(idOf),
    idOf: (token) => model.tokens_to_ids.get(token),
    bytesOf: tokenBytes,
    vocabulary: model.vocab,
    encode(text, asTyped) {
      const route = asTyped ? routes.asTyped : routes.normal
      const ids: number[] = []
      const spans: Span[] = []
      for (const [sectionIndex, { part, added }] of route.splitText(alignedSlice(text, 0, text.length)).entries()) {
        for (const sub of added ? [{ part, added }] : route.splitNormalized(route.normalize(part))) {
          if (sub.added) {
            ids.push(sub.added.id)
            spans.push([sub.part.starts[0]!, sub.part.ends.at(-1)!])
          } else if (sub.part.text.length > 0) {
            const tokens = model(route.preTokenize(sub.part.text, sectionIndex))
            // A sentencepiece text is one section of any length: too many values to push at once.
            for (const token of tokens) ids.push(idOf(token))
            for (const span of tokenSpans(spelledOut(sub.part), tokens.map(knownBytes))) spans.push(span)
          }
        }
      }
      return { ids, spans }
    },
  }
}

/** What happens to a text before the vocabulary sees it. */
interface Route {
  readonly splitText: ReturnType<typeof addedTokenSplitter>
  readonly normalize: AlignedNormalizer
  readonly splitNormalized: ReturnType<typeof addedTokenSplitter>
  preTokenize(text: string, sectionIndex: number): string[]
}

function createRoute(json: TokenizerJson, library: LibraryTokenizer, asTyped: boolean): Route {
  const normalize = alignedNormalizer(json.normalizer, asTyped)
  const added = json.added_tokens ?? []
  // Added tokens marked "normalized" are looked for in the normalized text, in their normalized form.
  const late = (token: AddedToken) => json.normalizer != null && (token.normalized ?? !token.special)
  const normalizedContent = (content: string) => normalize(alignedSlice(content, 0, content.length)).text
  return {
    splitText: addedTokenSplitter(added.filter((token) => !late(token)).map((token) => [token.content, token])),
    normalize,
    splitNormalized: addedTokenSplitter(added.filter(late).map((token) => [normalizedContent(token.content), token])),
    preTokenize: (text, sectionIndex) => library.pre_tokenizer?.(text, { section_index: sectionIndex }) ?? [text],
  }
}

function createLibraryTokenizer(json: TokenizerJson, config: Record<string, unknown>): LibraryTokenizer {
  const absent = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] }
  try {
    return new LibraryTokenizer({ ...absent, ...json }, config)
  } catch (error) {
    throw new DiopterError(`tokenizer.json cannot be used: ${error instanceof Error ? error.message : error}`)
  }
}

function withoutInventedSpace(json: TokenizerJson): TokenizerJson {
  const typed = (step: TokenizerStep): TokenizerStep => ({
    ...step,
    ...(step.type === 'Metaspace' && { prepend_scheme: 'never' }),
    ...(step.type === 'ByteLevel' && { add_prefix_space: false }),
    ...(Array.isArray(step.pretokenizers) && { pretokenizers: (step.pretokenizers as TokenizerStep[]).map(typed) }),
  })
  return {
    model: { type: 'BPE', vocab: {}, merges: [], unk_token: null },
    pre_tokenizer: json.pre_tokenizer ? typed(json.pre_tokenizer) : null,
  }
}

/** Runs the post-processor over a stand-in for the text, to see what it puts around it. */
function postProcessed(library: LibraryTokenizer): { before: string[]; after: string[] } {
  const text = '\u0000text'
  const tokens = library.post_processor?.([text], null, true).tokens ?? [text]
  const at = tokens.indexOf(text)
  return { before: tokens.slice(0, at), after: tokens.slice(at + 1) }
}
