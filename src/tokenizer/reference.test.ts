import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { openFolder } from '../hub/node/folder.ts'
import { loadTokenizer, type Tokenizer } from './tokenizer.ts'

const shared = (path: string) => fileURLToPath(new URL(`../../../shared/${path}`, import.meta.url))
const gpt2Folder = shared('tokenizers/gpt2')
const storiesFolder = shared('checkpoints/stories260K')

/** Characters that several tokens share, that combine, or that no vocabulary has whole. */
const hard = 'naïve café 日本語のテキスト 👩‍👩‍👧‍👦🏳️‍🌈 e\u0301\u0327 \u05e9\u05dc\u05d5\u05dd ½ ﬁ \u00a0 \ufeff\t\r\n  x'
const pieces = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary' }),
  fc.constantFrom(' ', 'the', '\n\n', ...hard),
)
const texts = fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join(''))

describe.skipIf(!existsSync(gpt2Folder))('GPT-2 (skipped without ../shared/tokenizers/gpt2)', () => {
  let tokenizer: Tokenizer
  beforeAll(async () => {
    tokenizer = await loadTokenizer(await openFolder(gpt2Folder))
  })

  test('all 47 reference encodings, both ways, with spans', () => {
    const cases = JSON.parse(readFileSync(`${gpt2Folder}/cases.json`, 'utf8')) as { text: string; ids: number[] }[]
    expect(cases).toHaveLength(47)
    for (const { text, ids } of cases) {
      const encoding = tokenizer.encode(text)
      expect(encoding.ids).toEqual(ids)
      expect(tokenizer.decode(ids)).toBe(text)
      expectSpans(text, encoding)
    }
  })

  test('names, start token, single tokens', () => {
    expect(tokenizer).toMatchObject({ vocabSize: 50257, bosId: 50256, eosId: 50256, padId: null })
    expect(tokenizer.encode('a').startToken.source).toBe('none')
    expect(tokenizer.encode('a', { prependBos: true }).tokens).toEqual(['<|endoftext|>', 'a'])
    expect(tokenizer.tokenId(' Mary')).toBe(5335)
    expect(() => tokenizer.tokenId(' Mary had')).toThrow('" Mary" (5335), " had" (550)')
  })

  test('any well-formed text comes back, and spans cover it in order', () => {
    fc.assert(
      fc.property(texts, (text) => {
        fc.pre(!text.includes('<|endoftext|>'))
        const encoding = tokenizer.encode(text)
        expect(tokenizer.decode(encoding.ids)).toBe(text)
        expectSpans(text, encoding)
      }),
      { numRuns: 300, examples: [[hard], ['▁'], [' ▁a'], ['<0x41>']] },
    )
  })
})

describe.skipIf(!existsSync(storiesFolder))('stories260K (skipped without ../shared/checkpoints/stories260K)', () => {
  let tokenizer: Tokenizer
  beforeAll(async () => {
    tokenizer = await loadTokenizer(await openFolder(storiesFolder))
  })

  test('round-trips every well-formed text without U+2581 or literal special tokens; spans cover it in order', () => {
    fc.assert(
      fc.property(texts, (text) => {
        fc.pre(!/▁|<unk>|<s>|<\/s>/.test(text))
        const encoding = tokenizer.encode(text)
        expect(tokenizer.decode(encoding.ids, { skipSpecialTokens: true })).toBe(text)
        expectSpans(text, encoding)
        const stream = tokenizer.decodeStream()
        expect(encoding.ids.map((id) => stream.push(id)).join('') + stream.end()).toBe(text)
      }),
      { numRuns: 300, examples: [[hard], ['<0x41>'], [' '], ['  a'], ['\u0000']] },
    )
  })

  test('start token, single tokens as typed', () => {
    const { ids, tokens, spans, startToken } = tokenizer.encode('Once upon')
    expect(startToken).toEqual({ id: 1, token: '<s>', source: 'post-processor' })
    expect([ids[0], tokens[0], spans[0]]).toEqual([1, '<s>', [0, 0]])
    expect(tokenizer.tokenText(tokenizer.tokenId(' Lily'))).toBe(' Lily')
    expect(tokenizer.tokenText(tokenizer.tokenId('he'))).toBe('he')
    expect(tokenizer.tokenId(' the')).not.toBe(tokenizer.tokenId('he'))
    expect(() => tokenizer.tokenId(' elephant')).toThrow('tokens: ')
  })
})

/** Spans are in order and leave nothing out; where a token holds whole characters its span is its text. */
function expectSpans(
  text: string,
  { tokens, spans }: { tokens: readonly string[]; spans: readonly (readonly [number, number])[] },
): void {
  let covered = 0
  let previousStart = 0
  for (const [i, [start, end]] of spans.entries()) {
    expect(start >= previousStart && start <= covered && end >= start).toBe(true)
    previousStart = start
    covered = Math.max(covered, end)
    const spanned = text.slice(start, end)
    if (start < end && !/<0x[0-9A-F]{2}>/.test(tokens[i]!)) expect([spanned, ` ${spanned}`]).toContain(tokens[i])
  }
  expect(covered).toBe(text.length)
}
