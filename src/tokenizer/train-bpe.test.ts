import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { byteLevelPieces } from './byte-level-pieces.ts'
import type { TokenizerJson } from './encode.ts'
import { characterOfByte } from './token-bytes.ts'
import { createTokenizer } from './tokenizer.ts'
import { trainByteLevelBpe } from './train-bpe.ts'

const merges = (json: TokenizerJson) => json.model.merges as string[]
const vocabulary = (json: TokenizerJson) => json.model.vocab as Record<string, number>
const spell = (text: string) => Array.from(new TextEncoder().encode(text), (byte) => characterOfByte[byte]!)

describe('trainByteLevelBpe', () => {
  test('merges that are worked out by hand', () => {
    // Words "aab", " aab", " ab": (a,b) 3, (a,a) 2, (space,a) 2. Then a|ab, space|a|ab, space|ab: (a,ab) 2, all others 1.
    const json = trainByteLevelBpe(['aab aab ab'], { vocabularySize: 256 + 2 + 1 })
    expect(merges(json)).toEqual(['a b', 'a ab'])
    expect(vocabulary(json)).toMatchObject({ a: 0x61, Ġ: 0x20, ab: 256, aab: 257, '<|endoftext|>': 258 })
    expect(createTokenizer(json).encode('aab ab<|endoftext|>b').ids).toEqual([257, 0x20, 256, 258, 0x62])
  })

  test('a pair that overlaps itself is merged from the left', () => {
    // "aaaaa" twice: (a,a) 8; then aa|aa|a: (aa,aa) 2 and (aa,a) 2, of which (aa,a) has the smaller right bytes.
    expect(merges(trainByteLevelBpe(['aaaaa', 'aaaaa'], { vocabularySize: 256 + 3 + 1 }))).toEqual([
      'a a',
      'aa a',
      'aa aaa',
    ])
  })

  test('of equally frequent pairs the one with the smaller bytes is first, whatever the order of the texts', () => {
    const first = merges(trainByteLevelBpe(['é zq', 'zq é', 'ba', 'ba'], { vocabularySize: 256 + 3 + 1 }))
    const second = merges(trainByteLevelBpe(['ba', 'zq é', 'ba', 'é zq'], { vocabularySize: 256 + 3 + 1 }))
    expect(first).toEqual(['b a', 'z q', spell('é').join(' ')])
    expect(second).toEqual(first)
  })

  test('no pair reaches across words, texts or special tokens', () => {
    const texts = ['x<|endoftext|>y', 'x<|endoftext|>y', 'x', 'y', 'p q', 'p q']
    // What stays are " q" twice; x and y, and p and the space, are never neighbours inside a word.
    expect(merges(trainByteLevelBpe(texts, { vocabularySize: 256 + 1 + 1 }))).toEqual(['Ġ q'])
    expect(() => trainByteLevelBpe(texts, { vocabularySize: 256 + 2 + 1 })).toThrow('at most 258')
  })

  test('every merge is the most frequent pair when all is counted anew', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[abc ]{0,30}$/), { minLength: 1, maxLength: 4 }), (texts) => {
        const expected = trainByRecounting(texts)
        const json = trainByteLevelBpe(texts, { vocabularySize: 256 + expected.length, specialTokens: [] })
        expect(merges(json)).toEqual(expected)
        expect(() => trainByteLevelBpe(texts, { vocabularySize: 257 + expected.length, specialTokens: [] })).toThrow(
          'Give more text',
        )
      }),
      { numRuns: 200 },
    )
  })

  test('refuses what it cannot do, and stops when it is told to', () => {
    expect(() => trainByteLevelBpe(['a'], { vocabularySize: 256 })).toThrow('no room for 256 bytes and 1 special')
    expect(() => trainByteLevelBpe(['bbb'], { vocabularySize: 257, specialTokens: ['a'] })).toThrow('also a token')
    const signal = AbortSignal.abort(new Error('stop'))
    expect(() => trainByteLevelBpe(['aa aa'], { vocabularySize: 258, signal })).toThrow('stop')
  })
})

describe('a trained tokenizer', () => {
  const sentence = 'The whale, the white whale! "Call me Ishmael," he said; they\'ll say 1851 — naïve café.\n\n  '
  const json = trainByteLevelBpe([sentence.repeat(3), 'the thing that the others threw there'.repeat(2)], {
    vocabularySize: 256 + 60 + 1,
  })
  const tokenizer = createTokenizer(json)

  test('decodes every text to itself', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(tokenizer.decode(tokenizer.encode(text).ids)).toBe(text)
      }),
      { numRuns: 500 },
    )
  })

  test('encodes as its merges, applied one after the other, say', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const tokens = [...byteLevelPieces(text)].flatMap((word) =>
          merges(json).reduce((parts, merge) => joinPair(parts, merge), spell(word)),
        )
        expect(tokenizer.encode(text).ids).toEqual(tokens.map((token) => vocabulary(json)[token]))
      }),
      { numRuns: 300 },
    )
    expect(tokenizer.encode('the whale').ids.length).toBeLessThan(5)
  })
})

const anyText = fc
  .array(fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('the', ' whale', "they'll", '\n', '  ', '1851', 'é')))
  .map((parts) => parts.join(''))
  .filter((text) => !text.includes('<|endoftext|>'))

/** The definition, slowly: count all pairs, merge the best, count again. */
function trainByRecounting(texts: readonly string[]): string[] {
  let words = texts.flatMap((text) => [...byteLevelPieces(text)].map(spell))
  const learned: string[] = []
  for (;;) {
    const counts = new Map<string, number>()
    for (const word of words) {
      for (let i = 0; i + 1 < word.length; i++) {
        const pair = `${word[i]} ${word[i + 1]}`
        counts.set(pair, (counts.get(pair) ?? 0) + 1)
      }
    }
    // The space, spelled "Ġ", has the smallest byte of those used.
    const bytes = (pair: string) => pair.split(' ').map((token) => token.replaceAll('Ġ', ' '))
    const before = (a: string, b: string) => {
      const [[left = '', right = ''], [otherLeft = '', otherRight = '']] = [bytes(a), bytes(b)]
      return left < otherLeft || (left === otherLeft && right < otherRight)
    }
    const best = [...counts].reduce<[string, number]>(
      (best, pair) => (pair[1] > best[1] || (pair[1] === best[1] && before(pair[0], best[0])) ? pair : best),
      ['', 1],
    )
    if (best[1] < 2) return learned
    learned.push(best[0])
    words = words.map((word) => joinPair(word, best[0]))
  }
}

function joinPair(parts: readonly string[], pair: string): string[] {
  const joined: string[] = []
  for (let i = 0; i < parts.length; i++) {
    if (`${parts[i]} ${parts[i + 1]}` === pair) joined.push(parts[i]! + parts[++i]!)
    else joined.push(parts[i]!)
  }
  return joined
}
