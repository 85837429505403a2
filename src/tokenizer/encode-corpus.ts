import { DiopterError, throwIfAborted, type WorkOptions } from '../errors/index.ts'
import { byteLevelPieces, splitPattern } from './byte-level-pieces.ts'
import type { TokenizerJson } from './encode.ts'
import { createTokenizer } from './tokenizer.ts'

/** Encodes long texts; it remembers every word that it has met. */
export interface CorpusEncoder {
  readonly vocabularySize: number
  /** The ids of a text, exactly those of `createTokenizer(json).encode(text, { addSpecialTokens: false })`. */
  encode(text: string, options?: WorkOptions): Uint16Array
}

/**
 * Makes an encoder for whole corpora. Every word goes through the tokenizer once, which is exact because a byte-level
 * tokenizer's merges never cross the edge of a word.
 * @param json a `tokenizer.json` whose pre-tokenizer is GPT-2's (`trainByteLevelBpe` writes such).
 * @throws DiopterError when the tokenizer has other rules, or more than 65,536 ids.
 */
export function createCorpusEncoder(json: TokenizerJson): CorpusEncoder {
  const { type, add_prefix_space, use_regex = true } = json.pre_tokenizer ?? { type: 'none' }
  if (type !== 'ByteLevel' || add_prefix_space || !use_regex || json.normalizer) {
    throw new DiopterError(
      `A corpus is encoded word by word, which needs GPT-2's pre-tokenizer (ByteLevel with its pattern, no prefix space) and no normalizer. This tokenizer.json has ${JSON.stringify({ pre_tokenizer: json.pre_tokenizer, normalizer: json.normalizer })}. Use createTokenizer(json).encode.`,
    )
  }
  const tokenizer = createTokenizer(json)
  if (tokenizer.vocabSize > 0x10000) {
    throw new DiopterError(`The vocabulary has ${tokenizer.vocabSize} ids; a packed corpus holds ids below 65,536.`)
  }
  const addedTokens = (json.added_tokens ?? []).map(({ content }) => content)
  const parts = splitPattern(addedTokens)
  const known = new Map<string, Uint16Array>()
  const idsOf = (word: string): Uint16Array => {
    let ids = known.get(word)
    if (!ids) known.set(word, (ids = Uint16Array.from(tokenizer.encode(word, { addSpecialTokens: false }).ids)))
    return ids
  }
  return {
    vocabularySize: tokenizer.vocabSize,
    encode(text, { signal, onProgress } = {}) {
      let ids = new Uint16Array(Math.max(16, text.length))
      let [length, characters, words] = [0, 0, 0]
      for (const [i, part] of text.split(parts).entries()) {
        for (const word of i % 2 === 1 ? [part] : byteLevelPieces(part)) {
          const wordIds = idsOf(word)
          if (length + wordIds.length > ids.length) {
            const grown = new Uint16Array(2 * (length + wordIds.length))
            grown.set(ids.subarray(0, length))
            ids = grown
          }
          ids.set(wordIds, length)
          length += wordIds.length
          characters += word.length
          if (++words % 65536 === 0) {
            throwIfAborted(signal)
            onProgress?.({ phase: 'encode', done: characters, total: text.length, unit: 'characters' })
          }
        }
      }
      return ids.slice(0, length)
    },
  }
}
