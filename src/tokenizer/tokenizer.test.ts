import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { memorySource } from '../hub/source.ts'
import { byteLevelTokenizer, sentencepieceTokenizer } from './fixtures.ts'
import { padTokens } from './pad.ts'
import { createTokenizer, loadTokenizer, type Tokenizer } from './tokenizer.ts'

const config = { bos_token: '<s>', eos_token: { content: '</s>' }, unk_token: '<unk>' }
const llamaLike = createTokenizer(sentencepieceTokenizer(), config)
const gptLike = createTokenizer(byteLevelTokenizer(), { eos_token: '<|end|>' })

function spansAndTokens(tokenizer: Tokenizer, text: string): [string, string][] {
  const { tokens, spans } = tokenizer.encode(text)
  return tokens.map((token, i) => [token, text.slice(...spans[i]!)])
}

describe('byte-level', () => {
  test('tokens as text, and the text of every span', () => {
    expect(gptLike.decode(gptLike.encode('▁hello').ids)).toBe('▁hello')
    expect(spansAndTokens(gptLike, 'hello hello wor')).toEqual([
      ['hello', 'hello'],
      [' hello', ' hello'],
      [' wor', ' wor'],
    ])
  })

  test('a character split over tokens gives its whole span to each of them', () => {
    expect(spansAndTokens(gptLike, 'é €😀')).toEqual([
      ['é', 'é'],
      [' ', ' '],
      ['<0xE2>', '€'],
      ['<0x82>', '€'],
      ['<0xAC>', '€'],
      ['<0xF0>', '😀'],
      ['<0x9F>', '😀'],
      ['<0x98>', '😀'],
      ['<0x80>', '😀'],
    ])
  })

  test('no start token of its own; prependBos without one is refused', () => {
    expect(gptLike.encode('hello').startToken).toEqual({ id: null, token: null, source: 'none' })
    expect(() => gptLike.encode('hello', { prependBos: true })).toThrow('names no start token')
  })

  test('special tokens in the text are found', () => {
    const { ids, spans } = gptLike.encode('hello<|end|>hello')
    expect(ids[1]).toBe(gptLike.eosId)
    expect(spans).toEqual([
      [0, 5],
      [5, 12],
      [12, 17],
    ])
    expect(gptLike.decode(ids)).toBe('hello<|end|>hello')
    expect(gptLike.decode(ids, { skipSpecialTokens: true })).toBe('hellohello')
  })

  test('add_prefix_space: the invented space has no span, and tokenId invents none', () => {
    const prefixed = createTokenizer(
      byteLevelTokenizer({ pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true } }),
    )
    expect(spansAndTokens(prefixed, 'hello wor')).toEqual([
      [' hello', 'hello'],
      [' wor', ' wor'],
    ])
    expect(prefixed.tokenText(prefixed.tokenId('hello'))).toBe('hello')
    expect(prefixed.tokenText(prefixed.tokenId(' hello'))).toBe(' hello')
  })

  test('NFC: a composed character spans what it was composed of', () => {
    const composing = createTokenizer(byteLevelTokenizer({ normalizer: { type: 'NFC' } }))
    expect(spansAndTokens(composing, 'he\u0301llo 각')).toEqual([
      ['h', 'h'],
      ['é', 'e\u0301'],
      ['ll', 'll'],
      ['o', 'o'],
      [' ', ' '],
      ['<0xEA>', '각'],
      ['<0xB0>', '각'],
      ['<0x81>', '각'],
    ])
  })

  test('added tokens that swallow the white space beside them', () => {
    const stripping = createTokenizer(
      byteLevelTokenizer({ added_tokens: [{ id: 0, content: '<|end|>', special: true, lstrip: true, rstrip: true }] }),
    )
    expect(spansAndTokens(stripping, 'hello  <|end|>  hello')).toEqual([
      ['hello', 'hello'],
      ['<|end|>', '<|end|>'],
      ['hello', 'hello'],
    ])
  })
})

describe('sentencepiece', () => {
  test('the invented space belongs to no character', () => {
    expect(spansAndTokens(llamaLike, 'Lily a')).toEqual([
      ['<s>', ''],
      [' Lily', 'Lily'],
      [' a', ' a'],
    ])
    expect(llamaLike.encode('é').spans).toEqual([
      [0, 0],
      [0, 0],
      [0, 1],
      [0, 1],
    ])
  })

  test('the start token follows the post-processor, prependBos overrides, the result says which', () => {
    const byPostProcessor = llamaLike.encode('a')
    expect(byPostProcessor.startToken).toEqual({ id: 1, token: '<s>', source: 'post-processor' })
    const asked = llamaLike.encode('a', { prependBos: true })
    expect(asked.startToken).toEqual({ id: 1, token: '<s>', source: 'prependBos' })
    expect(asked.ids).toEqual(byPostProcessor.ids)
    const without = llamaLike.encode('a', { prependBos: false })
    expect(without.startToken).toEqual({ id: null, token: null, source: 'prependBos' })
    expect(without.ids).toEqual(byPostProcessor.ids.slice(1))
    expect(llamaLike.encode('a', { addSpecialTokens: false }).startToken.source).toBe('none')
    expect(llamaLike.encode('a', { addSpecialTokens: false, prependBos: true }).ids).toEqual(asked.ids)
  })

  test('tokenId takes the text exactly as typed', () => {
    expect(llamaLike.tokenText(llamaLike.tokenId('Lily'))).toBe('Lily')
    expect(llamaLike.tokenText(llamaLike.tokenId(' Lily'))).toBe(' Lily')
    expect(llamaLike.tokenId('Lily')).not.toBe(llamaLike.tokenId(' Lily'))
    expect(llamaLike.tokenId('</s>')).toBe(llamaLike.eosId)
    expect(() => llamaLike.tokenId(' Lilya')).toThrow(/" Lilya" is 2 tokens: " Lily" \(\d+\), "a" \(\d+\)/)
    expect(() => llamaLike.tokenId('€')).toThrow('<0xE2>')
    expect(() => llamaLike.tokenId('')).toThrow('empty')
  })

  test('tokenId says when the spaced form would be one token', () => {
    const onlySpaced = sentencepieceTokenizer({
      model: {
        ...sentencepieceTokenizer().model,
        merges: ['▁ L', '▁L i', 'l y', '▁Li ly'],
        vocab: { '<unk>': 0, '▁': 1, L: 2, i: 3, l: 4, y: 5, '▁L': 6, '▁Li': 7, ly: 8, '▁Lily': 9 },
      },
    })
    expect(() => createTokenizer(onlySpaced).tokenId('Lily')).toThrow('With a leading space, " Lily" is one token.')
  })

  test('Metaspace in place of the normalizer', () => {
    const metaspace = createTokenizer(
      sentencepieceTokenizer({
        normalizer: null,
        pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first' },
        decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first' },
      }),
      config,
    )
    expect(spansAndTokens(metaspace, 'Lily a')).toEqual([
      ['<s>', ''],
      [' Lily', 'Lily'],
      [' a', ' a'],
    ])
    expect(metaspace.tokenText(metaspace.tokenId('Lily'))).toBe('Lily')
    expect(metaspace.decode(metaspace.encode('Lily a').ids, { skipSpecialTokens: true })).toBe('Lily a')
  })

  test('unknown characters without byte fallback keep spans in order', () => {
    const json = sentencepieceTokenizer()
    const bare = createTokenizer({ ...json, model: { ...json.model, byte_fallback: false, fuse_unk: true } }, config)
    expect(spansAndTokens(bare, 'a€€ aé')).toEqual([
      ['<s>', ''],
      [' a', 'a'],
      ['<unk>', '€€'],
      [' a', ' a'],
      ['<unk>', 'é'],
    ])
  })

  test('a byte-order mark survives', () => {
    const { ids } = llamaLike.encode('\ufeffa')
    expect(llamaLike.decode(ids, { skipSpecialTokens: true })).toBe('\ufeffa')
  })
})

describe('both kinds', () => {
  const cases: [string, Tokenizer, LibraryTokenizer][] = [
    ['byte-level', gptLike, new LibraryTokenizer(byteLevelTokenizer(), {})],
    ['sentencepiece', llamaLike, new LibraryTokenizer(sentencepieceTokenizer(), {})],
  ]
  const text = fc
    .array(
      fc.oneof(
        fc.constantFrom('hello', ' ', 'Lily', '  ', '\n', 'é', 'e\u0301', '👩‍👩‍👧', '漢字'),
        fc.string({ unit: 'grapheme' }),
      ),
    )
    .map((parts) => parts.join(''))

  test.each(cases)('%s: same ids as the library, exact round trip, spans in order', (_, tokenizer, library) => {
    fc.assert(
      fc.property(text, (value) => {
        fc.pre(!value.includes('▁') && !/<(s|\/s|unk|\|end\|)>/.test(value))
        const { ids, spans, tokens } = tokenizer.encode(value)
        expect(ids).toEqual(value === '' && library.post_processor === null ? [] : library.encode(value).ids)
        expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(value)
        expectSpansCover(value, tokens, spans)
      }),
      { numRuns: 200 },
    )
  })

  test.each(cases)('%s: a stream emits what decode does, only complete characters', (_, tokenizer) => {
    fc.assert(
      fc.property(text, fc.nat(20), (value, cut) => {
        const { ids } = tokenizer.encode(value)
        const pieces: string[] = []
        const stream = tokenizer.decodeStream()
        for (const id of ids) pieces.push(stream.push(id))
        expect(
          pieces.every(
            (piece) => !/\p{Surrogate}/u.test(piece) && (value.includes('\ufffd') || !piece.includes('\ufffd')),
          ),
        ).toBe(true)
        pieces.push(stream.end())
        expect(pieces.join('')).toBe(tokenizer.decode(ids, { skipSpecialTokens: true }))
        // After a prompt that ends between characters the stream continues exactly.
        const before = tokenizer.decode(ids.slice(0, cut), { skipSpecialTokens: true })
        fc.pre(value.startsWith(before))
        const rest = tokenizer.decodeStream({ prompt: ids.slice(0, cut) })
        expect(
          before +
            ids
              .slice(cut)
              .map((id) => rest.push(id))
              .join('') +
            rest.end(),
        ).toBe(value)
      }),
      { numRuns: 200 },
    )
  })

  test('ids outside the vocabulary', () => {
    expect(() => gptLike.decode([99999])).toThrow('no token 99999; the vocabulary has ids 0 to')
  })

  test('random ids decode without an error, and an open character ends as U+FFFD', () => {
    const stream = gptLike.decodeStream()
    expect(stream.push(gptLike.encode('€').ids[0]!)).toBe('')
    expect(stream.end()).toBe('\ufffd')
  })
})

describe('loadTokenizer', () => {
  test('reads the files of a repository', async () => {
    const tokenizer = await loadTokenizer(
      memorySource({
        'tokenizer.json': JSON.stringify(sentencepieceTokenizer()),
        'special_tokens_map.json': JSON.stringify({ pad_token: '<unk>' }),
        'tokenizer_config.json': JSON.stringify(config),
        'chat_template.jinja': '{{ bos_token }}{{ messages[0].content }}',
      }),
    )
    expect(tokenizer).toMatchObject({ bosId: 1, eosId: 2, padId: 0, unkId: 0 })
    expect(tokenizer.specialTokens.get('</s>')).toBe(2)
    expect(tokenizer.vocabSize).toBeGreaterThan(256)
    expect(tokenizer.chatTemplate([{ role: 'user', content: 'hi' }])).toBe('<s>hi')
  })

  test('says what is missing or not supported', async () => {
    await expect(loadTokenizer(memorySource({ 'vocab.json': '{}' }))).rejects.toThrow('older form (vocab.json)')
    const json = sentencepieceTokenizer()
    expect(() => createTokenizer({ ...json, normalizer: { type: 'BertNormalizer' } })).toThrow(
      '"BertNormalizer" is not supported',
    )
    expect(() => createTokenizer({ ...json, decoder: { type: 'WordPiece' } })).toThrow('"WordPiece" is not supported')
    expect(() => createTokenizer({ ...json, decoder: null })).toThrow('no decoder')
    expect(() => createTokenizer({ ...json, model: { type: 'WordPiece' } })).toThrow('model of type WordPiece')
    expect(() => createTokenizer({ ...json, pre_tokenizer: { type: 'Nope' } })).toThrow('cannot be used')
  })
})

test('padTokens', () => {
  expect(padTokens([[1, 2, 3], [4]], 9)).toEqual({
    ids: [
      [1, 2, 3],
      [9, 9, 4],
    ],
    mask: [
      [1, 1, 1],
      [0, 0, 1],
    ],
    length: 3,
  })
  expect(padTokens([[1, 2], [4]], 9, 'right').ids).toEqual([
    [1, 2],
    [4, 9],
  ])
  expect(() => padTokens([], 0)).toThrow('nothing to pad')
})

/** Spans never go back, leave no character out, and a token that holds whole characters spans exactly its text. */
function expectSpansCover(
  text: string,
  tokens: readonly string[],
  spans: readonly (readonly [number, number])[],
): void {
  let covered = 0
  for (const [i, [start, end]] of spans.entries()) {
    expect(start).toBeLessThanOrEqual(covered)
    if (i > 0) expect(start).toBeGreaterThanOrEqual(spans[i - 1]![0])
    covered = Math.max(covered, end)
    const spanned = text.slice(start, end)
    if (start < end && !/<0x[0-9A-F]{2}>/.test(tokens[i]!)) expect([spanned, ` ${spanned}`]).toContain(tokens[i])
  }
  expect(covered).toBe(text.length)
}
