import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createCorpusEncoder } from './encode-corpus.ts'
import { byteLevelTokenizer, sentencepieceTokenizer } from './fixtures.ts'
import { createTokenizer } from './tokenizer.ts'

const json = byteLevelTokenizer()

describe('createCorpusEncoder', () => {
  test('gives the ids of the tokenizer, special tokens and all', () => {
    const tokenizer = createTokenizer(json)
    const encoder = createCorpusEncoder(json)
    expect(encoder.vocabularySize).toBe(tokenizer.vocabSize)
    const parts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('hello', ' world', '<|end|>', '!<|end|>', ' ', '\n', "'ll"),
    )
    fc.assert(
      fc.property(fc.array(parts), (pieces) => {
        const text = pieces.join('')
        expect([...encoder.encode(text)]).toEqual(tokenizer.encode(text, { addSpecialTokens: false }).ids)
      }),
      { numRuns: 500 },
    )
  })

  test('a text whose characters are several tokens each', () => {
    expect([...createCorpusEncoder(json).encode('€'.repeat(100))].length).toBe(300)
  })

  test('reports, stops, and refuses tokenizers of other rules', () => {
    const encoder = createCorpusEncoder(json)
    const text = 'hello world '.repeat(40_000)
    const done: number[] = []
    encoder.encode(text, { onProgress: (progress) => done.push(progress.done) })
    expect(done.length).toBe(1)
    expect(() => encoder.encode(text, { signal: AbortSignal.abort(new Error('stop')) })).toThrow('stop')
    expect(() => createCorpusEncoder(sentencepieceTokenizer())).toThrow("needs GPT-2's pre-tokenizer")
    const prefixed = byteLevelTokenizer({ pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true } })
    expect(() => createCorpusEncoder(prefixed)).toThrow("needs GPT-2's pre-tokenizer")
  })
})

const gpt2 = '../shared/tokenizers/gpt2/tokenizer.json'
const files = ['gutenberg/melville-moby_dick.txt', 'gutenberg/blake-poems.txt', 'inaugural/1861-Lincoln.txt'].map(
  (file) => `../shared/data/text/${file}`,
)

describe.skipIf(![gpt2, ...files].every(existsSync))("on real text with GPT-2's vocabulary (needs ../shared)", () => {
  test.each(files)('%s', (file) => {
    const json = JSON.parse(readFileSync(gpt2, 'utf8'))
    const text = readFileSync(file, 'utf8').slice(0, 20_000)
    const expected = createTokenizer(json).encode(text, { addSpecialTokens: false }).ids
    expect([...createCorpusEncoder(json).encode(text)]).toEqual(expected)
  })
})
