import { DiopterError, throwIfAborted, type WorkOptions } from '../errors/index.ts'
import { byteLevelPieces, splitPattern } from './byte-level-pieces.ts'
import type { TokenizerJson } from './encode.ts'
import { createHeap } from './heap.ts'
import { characterOfByte } from './token-bytes.ts'

/** What a byte-level BPE tokenizer is trained for. */
export interface TrainBpeOptions extends WorkOptions {
  /** Number of ids: 256 bytes, the merges, and the special tokens last. */
  readonly vocabularySize: number
  /** Tokens that are never split; `<|endoftext|>` alone unless said otherwise. In the texts they separate like white space. */
  readonly specialTokens?: readonly string[]
}

/** A word as the ids of its present tokens, with the number of times that the texts have it. */
interface Word {
  ids: number[]
  readonly count: number
}

/** Two neighbouring tokens: how often the texts have them, and the words that (may) hold them. */
interface Pair {
  readonly left: number
  readonly right: number
  count: number
  readonly words: Set<number>
}

/** A pair as it stood when it was put on the heap. */
interface Candidate {
  readonly pair: Pair
  readonly count: number
}

/**
 * Trains a byte-level BPE tokenizer in GPT-2's form: while there is room in the vocabulary, the most frequent pair of
 * neighbouring tokens inside a word becomes a token. Of equally frequent pairs the one whose left bytes, then right bytes,
 * sort first is taken, so the result depends on the texts alone.
 * @param texts the training texts; words never reach across two of them.
 * @returns the `tokenizer.json`, which `createTokenizer` and the `tokenizers` libraries open.
 * @throws DiopterError when the vocabulary has no room for the bytes, or the texts have too few repeated pairs to fill it.
 * Source: Sennrich et al. 2016 (arXiv:1508.07909); Radford et al. 2019 for bytes and the pre-tokenizer's pattern.
 */
export function trainByteLevelBpe(texts: Iterable<string>, options: TrainBpeOptions): TokenizerJson {
  const { vocabularySize, specialTokens = ['<|endoftext|>'], signal, onProgress } = options
  const merges = vocabularySize - 256 - specialTokens.length
  if (!Number.isInteger(merges) || merges < 0) {
    throw new DiopterError(
      `A vocabulary of ${vocabularySize} has no room for 256 bytes and ${specialTokens.length} special tokens.`,
    )
  }
  const words = countWords(texts, specialTokens, signal)
  // The bytes of each token, one character a byte, so that `<` compares bytes.
  const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte))
  const learned: [string, string][] = []
  const merger = createMerger(words, bytes)
  for (let merge = 0; merge < merges; merge++) {
    if (merge % 64 === 0) {
      throwIfAborted(signal)
      onProgress?.({ phase: 'train tokenizer', done: merge, total: merges, unit: 'merges' })
    }
    const best = merger.takeBest()
    if (!best) {
      throw new DiopterError(
        `The texts have no pair of tokens twice after ${merge} merges: a vocabulary of ${vocabularySize} needs ${merges}. Give more text, or ask for at most ${vocabularySize - merges + merge}.`,
      )
    }
    learned.push([spell(bytes[best.left]!), spell(bytes[best.right]!)])
    bytes.push(bytes[best.left]! + bytes[best.right]!)
    merger.merge(best, bytes.length - 1)
  }
  onProgress?.({ phase: 'train tokenizer', done: merges, total: merges, unit: 'merges' })
  return tokenizerJson([...bytes.map(spell), ...specialTokens], learned, specialTokens)
}

function spell(bytes: string): string {
  return Array.from(bytes, (byte) => characterOfByte[byte.charCodeAt(0)]).join('')
}

function countWords(
  texts: Iterable<string>,
  specialTokens: readonly string[],
  signal: AbortSignal | undefined,
): Word[] {
  const counts = new Map<string, number>()
  const special = splitPattern(specialTokens)
  for (const text of texts) {
    throwIfAborted(signal)
    for (const [i, part] of text.split(special).entries()) {
      if (i % 2 === 1) continue
      for (const word of byteLevelPieces(part)) counts.set(word, (counts.get(word) ?? 0) + 1)
    }
  }
  const encoder = new TextEncoder()
  return Array.from(counts, ([word, count]) => ({ ids: [...encoder.encode(word)], count }))
}

/** Keeps the counts of all pairs up to date while pairs are merged in the words. @param bytes the tokens' bytes, which grow with every merge. */
function createMerger(words: readonly Word[], bytes: readonly string[]) {
  const pairs = new Map<number, Pair>()
  const heap = createHeap<Candidate>((a, b) => {
    if (a.count !== b.count) return a.count > b.count
    const [p, q] = [a.pair, b.pair]
    return p.left === q.left ? bytes[p.right]! < bytes[q.right]! : bytes[p.left]! < bytes[q.left]!
  })
  /** Adds `sign` times a word's pairs to the counts. @returns pairs that were not known before. */
  const count = (at: number, sign: 1 | -1): Pair[] => {
    const { ids, count } = words[at]!
    const found: Pair[] = []
    for (let i = 0; i + 1 < ids.length; i++) {
      const [left, right] = [ids[i]!, ids[i + 1]!]
      // Exact: both ids are far below 2^26.
      const key = left * 0x4000000 + right
      let pair = pairs.get(key)
      if (!pair) {
        pairs.set(key, (pair = { left, right, count: 0, words: new Set() }))
        found.push(pair)
      }
      pair.count += sign * count
      if (sign === 1) pair.words.add(at)
    }
    return found
  }
  const offer = (pair: Pair): void => {
    if (pair.count >= 2) heap.push({ pair, count: pair.count })
  }
  for (const pair of words.flatMap((_, at) => count(at, 1))) offer(pair)
  return {
    /** The most frequent pair, if any stands in the texts twice. */
    takeBest(): Pair | undefined {
      for (;;) {
        const first = heap.pop()
        if (!first || first.count === first.pair.count) return first?.pair
        // Counts only fall after the merge that made a pair: it comes up again at its present count.
        offer(first.pair)
      }
    },
    merge({ left, right, words: holders }: Pair, token: number): void {
      const found: Pair[] = []
      for (const at of holders) {
        const word = words[at]!
        const merged = mergePair(word.ids, left, right, token)
        if (merged.length === word.ids.length) continue
        count(at, -1)
        word.ids = merged
        for (const pair of count(at, 1)) found.push(pair)
      }
      pairs.delete(left * 0x4000000 + right)
      for (const pair of found) offer(pair)
    },
  }
}

/** Replaces a pair by one token everywhere, from the left. */
function mergePair(ids: readonly number[], left: number, right: number, token: number): number[] {
  const merged: number[] = []
  for (let i = 0; i < ids.length; i++) {
    const joins = ids[i] === left && ids[i + 1] === right
    merged.push(joins ? token : ids[i]!)
    if (joins) i++
  }
  return merged
}

function tokenizerJson(
  vocabulary: readonly string[],
  merges: readonly [string, string][],
  specialTokens: readonly string[],
): TokenizerJson {
  if (new Set(vocabulary).size < vocabulary.length) {
    throw new DiopterError(
      `A special token (${specialTokens.join(', ')}) is given twice or is also a token of the text.`,
    )
  }
  const firstSpecial = vocabulary.length - specialTokens.length
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content, i) => ({
      id: firstSpecial + i,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(vocabulary.map((token, id) => [token, id])),
      // The form with a space between, which every version of the libraries reads; no token's spelling has a space.
      merges: merges.map((pair) => pair.join(' ')),
    },
  } as TokenizerJson
}
