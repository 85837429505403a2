import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kneserNey, ngramLoss } from './kneser-ney.ts'

const random = (seed: number) => () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32
const randomTokens = (length: number, vocabularySize: number, seed: number) => {
  const next = random(seed)
  // Squared: a few tokens are frequent, many are rare, as in a text.
  return Uint16Array.from({ length }, () => Math.floor(next() ** 2 * vocabularySize))
}

describe('kneserNey', () => {
  test('a bigram model that is computed by hand', () => {
    // a b a b c: bigrams ab 2, ba 1, bc 1. n1 = 2, n2 = 1, no n3: one discount, 2 / (2 + 2) = 1/2.
    // Unigrams by different tokens before: a 1 (b), b 1 (a), c 1 (b). n1 = 3, n2 = 0: discount 3 / 3 = 1, so all is uniform: 1/3.
    const model = kneserNey([0, 1, 0, 1, 2], { order: 2, vocabularySize: 3 })
    expect(model.discounts).toEqual([
      [1, 1, 1],
      [0.5, 0.5, 0.5],
    ])
    const p = (context: number[], token: number) => Math.exp(model.logProbability(context, token))
    // After a (2 times, 1 sort): (2 - 1/2)/2 + (1/2)/2 * 1/3.
    expect(p([0], 1)).toBeCloseTo(3 / 4 + 1 / 12, 12)
    expect(p([0], 0)).toBeCloseTo(1 / 12, 12)
    // After b (2 times, 2 sorts): (1 - 1/2)/2 + 1/2 * 1/3.
    expect(p([1], 0)).toBeCloseTo(1 / 4 + 1 / 6, 12)
    expect(p([1], 1)).toBeCloseTo(1 / 6, 12)
    // c was never followed, and no context at all: the unigrams.
    expect(p([2], 0)).toBeCloseTo(1 / 3, 12)
    expect(p([], 2)).toBeCloseTo(1 / 3, 12)
    // Only the last token of a longer context counts.
    expect(p([2, 2, 0], 1)).toBe(p([0], 1))
    expect(ngramLoss(model, Uint16Array.of(0, 1, 2))).toBeCloseTo(-(Math.log(5 / 6) + Math.log(5 / 12)) / 2, 12)
  })

  test('three discounts, from counts of counts', () => {
    // One order: counts 1 x4, 2 x2, 3 x1, 4 x1. Y = 4/8: 1 - 2Y 2/4, 2 - 3Y 1/2, 3 - 4Y 1/1.
    const tokens = [0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 6, 7, 7, 7, 7]
    const model = kneserNey(tokens, { order: 1, vocabularySize: 10 })
    expect(model.discounts).toEqual([[0.5, 1.25, 1]])
    const left = (4 * 0.5 + 2 * 1.25 + 2 * 1) / 15
    expect(Math.exp(model.logProbability([], 7))).toBeCloseTo(3 / 15 + left / 10, 12)
    expect(Math.exp(model.logProbability([], 4))).toBeCloseTo(0.75 / 15 + left / 10, 12)
    expect(Math.exp(model.logProbability([], 9))).toBeCloseTo(left / 10, 12)
  })

  test.each([1, 2, 3, 4])('order %i: probabilities sum to 1 after contexts seen and unseen', (order) => {
    const vocabularySize = 40
    const tokens = randomTokens(5000, vocabularySize, order)
    const model = kneserNey(tokens, { order, vocabularySize })
    const contexts = [[], [39], [39, 39, 39], ...[10, 100, 1000].map((at) => [...tokens.subarray(at, at + 3)])]
    for (const context of contexts) {
      const probabilities = Array.from({ length: vocabularySize }, (_, token) =>
        Math.exp(model.logProbability(context, token)),
      )
      expect(probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 10)
      expect(Math.min(...probabilities)).toBeGreaterThan(0)
    }
  })

  test('equals the definition, counted with lists of text', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(4), { minLength: 4, maxLength: 120 }),
        fc.array(fc.nat(4), { maxLength: 4 }),
        fc.nat(4),
        fc.integer({ min: 1, max: 4 }),
        (tokens, context, token, order) => {
          const model = kneserNey(tokens, { order, vocabularySize: 5 })
          expect(Math.exp(model.logProbability(context, token))).toBeCloseTo(
            byDefinition(
              tokens,
              order,
              5,
              context.slice(Math.max(0, context.length - order + 1)),
              token,
              model.discounts,
            ),
            10,
          )
        },
      ),
      { numRuns: 300 },
    )
  })

  test('learns what a planted source does', () => {
    // Each token is decided by the two before it, but for one time in ten: the entropy is known.
    const next = random(7)
    const tokens = new Uint16Array(60_000)
    for (let i = 2; i < tokens.length; i++) {
      tokens[i] = next() < 0.1 ? Math.floor(next() * 8) : (3 * tokens[i - 1]! + 5 * tokens[i - 2]! + 1) % 8
    }
    const entropy = -((0.9 + 0.1 / 8) * Math.log(0.9 + 0.1 / 8) + 7 * (0.1 / 8) * Math.log(0.1 / 8))
    const [train, heldOut] = [tokens.subarray(0, 50_000), tokens.subarray(50_000)]
    const loss = (order: number) => ngramLoss(kneserNey(train, { order, vocabularySize: 8 }), heldOut)
    expect(loss(3)).toBeGreaterThan(entropy - 0.03)
    expect(loss(3)).toBeLessThan(entropy + 0.03)
    expect(loss(4)).toBeLessThan(entropy + 0.04)
    // One token says nothing here: a bigram is no better than guessing.
    expect(loss(2)).toBeGreaterThan(Math.log(8) - 0.1)
  })

  test('refuses what it cannot count', () => {
    expect(() => kneserNey([0, 1], { order: 0, vocabularySize: 2 })).toThrow('1 or more')
    expect(() => kneserNey([0, 1], { order: 3, vocabularySize: 2 })).toThrow('holds no n-gram of 3')
    expect(() => kneserNey(new Uint16Array(9), { order: 5, vocabularySize: 4096 })).toThrow('at most 4')
    expect(() => kneserNey([0, 7], { order: 1, vocabularySize: 5 })).toThrow('Token 7 at 1')
    expect(() => kneserNey([0, 1], { order: 1, vocabularySize: 5 }).logProbability([], 5)).toThrow('Token 5')
    expect(() => ngramLoss(kneserNey([0, 1], { order: 1, vocabularySize: 2 }), Uint16Array.of(1))).toThrow('two tokens')
    const signal = AbortSignal.abort(new Error('stop'))
    expect(() => kneserNey([0, 1], { order: 1, vocabularySize: 2, signal })).toThrow('stop')
  })
})

const book = '../shared/data/text/gutenberg/carroll-alice.txt'

test.skipIf(!existsSync(book))('on a real text a longer context helps (needs ../shared)', () => {
  // Letters: within a book as short as this one longer n-grams of letters still repeat.
  const letters = Uint16Array.from(readFileSync(book, 'latin1'), (letter) => letter.charCodeAt(0))
  const [train, heldOut] = [letters.subarray(0, 130_000), letters.subarray(130_000)]
  const losses = [1, 2, 3, 4].map((order) => ngramLoss(kneserNey(train, { order, vocabularySize: 256 }), heldOut))
  for (const [i, loss] of losses.slice(1).entries()) expect(loss).toBeLessThan(losses[i]! - 0.1)
  // Nats per letter.
  expect(losses[0]).toBeGreaterThan(2.5)
  expect(losses[3]).toBeLessThan(1.8)
})

/** Interpolated Kneser-Ney straight from its definition. */
function byDefinition(
  tokens: readonly number[],
  order: number,
  vocabularySize: number,
  context: readonly number[],
  token: number,
  discounts: readonly (readonly [number, number, number])[],
): number {
  const length = context.length + 1
  const below =
    context.length > 0
      ? byDefinition(tokens, order, vocabularySize, context.slice(1), token, discounts)
      : 1 / vocabularySize
  const count = (gram: readonly number[]): number => {
    const text = gram.join()
    const before = tokens.flatMap((_, at) =>
      tokens.slice(at, at + length).join() === text && at + length <= tokens.length ? [tokens[at - 1]] : [],
    )
    return length === order ? before.length : new Set(before.filter((token) => token !== undefined)).size
  }
  const followers = Array.from({ length: vocabularySize }, (_, next) => count([...context, next]))
  const total = followers.reduce((a, b) => a + b)
  if (total === 0) return below
  const discountOf = (n: number) => (n === 0 ? 0 : discounts[length - 1]![Math.min(n, 3) - 1]!)
  const left = followers.reduce((sum, n) => sum + discountOf(n), 0)
  return (followers[token]! - discountOf(followers[token]!) + left * below) / total
}
