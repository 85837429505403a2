import { describe, expect, it } from 'vitest'
import { randomSource } from '../../../random/index.ts'
import { plantedRepeats, repeatedRandomTokens } from './planted-repeats.ts'

const source = { vocabulary: 128, branching: 4, length: 256 }
const draw = plantedRepeats(source, 3)
const texts = Array.from({ length: 300 }, (_, i) => [...draw(randomSource(3, 'test', i))])

/** For every position whether the `size` tokens that end there have come before in the text. */
function repeated(text: readonly number[], size: number): boolean[] {
  const seen = new Set<string>()
  return text.map((_, at) => {
    const key = text.slice(Math.max(0, at - size + 1), at + 1).join()
    const isRepeat = seen.has(key)
    seen.add(key)
    return isRepeat
  })
}

describe('planted text', () => {
  it('starts with the start token, which never comes again', () => {
    for (const text of texts) {
      expect(text).toHaveLength(257)
      expect(text[0]).toBe(128)
      expect(Math.max(...text.slice(1))).toBeLessThan(128)
    }
  })

  it('is a function of the seed of its tables and of its random numbers', () => {
    expect([...draw(randomSource(3, 'test', 0))]).toEqual(texts[0])
    expect([...plantedRepeats(source, 4)(randomSource(3, 'test', 0))]).not.toEqual(texts[0])
  })

  it('repeats nothing in its first eighth and nearly half of what comes late', () => {
    const share = (from: number, to: number) => {
      const found = texts.flatMap((text) => repeated(text, 4).slice(from, to))
      return found.filter(Boolean).length / found.length
    }
    expect(share(5, 32)).toBeLessThan(0.01)
    // half of the spans, without the three tokens of each that are too few to tell
    expect(share(200, 257)).toBeGreaterThan(0.3)
    expect(share(200, 257)).toBeLessThan(0.5)
  })

  it('is equally hard everywhere for whoever knows pairs of tokens but not the context', () => {
    // counts of pairs from other texts, smoothed: the cross-entropy of the last token's prediction
    const counts = new Float64Array(129 * 128).fill(0.1)
    for (let i = 0; i < 3000; i++) {
      const text = draw(randomSource(3, 'train', i))
      for (let at = 1; at < text.length; at++) counts[text[at - 1]! * 128 + text[at]!]! += 1
    }
    const totals = Array.from({ length: 129 }, (_, token) =>
      counts.subarray(token * 128, (token + 1) * 128).reduce((a, b) => a + b),
    )
    const loss = (from: number, to: number) => {
      const losses = texts.flatMap((text) =>
        text
          .slice(from, to)
          .map((token, i) => Math.log(totals[text[from + i - 1]!]! / counts[text[from + i - 1]! * 128 + token]!)),
      )
      return losses.reduce((a, b) => a + b) / losses.length
    }
    // a standard error of 0.03 nats
    expect(Math.abs(loss(232, 248) - loss(16, 32))).toBeLessThan(0.12)
    expect(loss(16, 32)).toBeLessThan(Math.log(128) - 0.5)
  })
})

it('repeats different random tokens after the start token', () => {
  const text = repeatedRandomTokens(64, 10, 3, randomSource(1, 'repeats'))
  expect(text).toHaveLength(31)
  expect(text[0]).toBe(64)
  const copies = [0, 1, 2].map((copy) => [...text.subarray(1 + 10 * copy, 11 + 10 * copy)])
  expect(copies[1]).toEqual(copies[0])
  expect(copies[2]).toEqual(copies[0])
  expect(new Set(copies[0]).size).toBe(10)
})
