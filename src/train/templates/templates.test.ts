import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { byteLevelTokenizer } from '../../tokenizer/fixtures.ts'
import { createTokenizer } from '../../tokenizer/tokenizer.ts'
import { templatedTasks } from './index.ts'
import { bothDirections } from './prompt-pairs.ts'

const tokenizer = createTokenizer(JSON.parse(readFileSync('checkpoints/text/tokenizer.json', 'utf8')))
const byName = Object.fromEntries(templatedTasks.map((task) => [task.name, task.pairs(tokenizer)]))

describe.each(templatedTasks)('$name', (task) => {
  const pairs = task.pairs(tokenizer)

  test('has at least 50 different pairs', () => {
    expect(new Set(pairs.map((pair) => JSON.stringify(pair))).size).toBe(pairs.length)
    expect(pairs.length).toBeGreaterThanOrEqual(50)
  })

  test('prompts of a pair have equally many tokens; answers continue both as one token', () => {
    for (const { clean, corrupt, answer, wrong } of pairs) {
      const ids = tokenizer.encode(clean).ids
      expect(tokenizer.encode(corrupt).ids.length).toBe(ids.length)
      expect(clean).not.toBe(corrupt)
      for (const token of [answer, wrong]) {
        // Typed after the prompt the answer is that token: nothing merges across.
        expect(tokenizer.encode(clean + token).ids).toEqual([...ids, tokenizer.tokenId(token)])
      }
    }
  })

  test('every pair is there in both directions, so who looks away is right in half of them', () => {
    const keys = new Set(pairs.map((pair) => JSON.stringify(pair)))
    for (const { clean, corrupt, answer, wrong } of pairs) {
      expect(keys.has(JSON.stringify({ clean: corrupt, corrupt: clean, answer: wrong, wrong: answer }))).toBe(true)
    }
  })

  test('says which words a tokenizer lacks', () => {
    expect(() => task.pairs(createTokenizer(byteLevelTokenizer()))).toThrow('This task needs at least')
  })
})

test('examples of each rule', () => {
  expect(byName.agreement).toContainEqual({
    clean: 'At last the men',
    corrupt: 'At last the man',
    answer: ' were',
    wrong: ' was',
  })
  expect(byName['agreement-across']).toContainEqual({
    clean: 'At last the man of the house',
    corrupt: 'At last the men of the house',
    answer: ' was',
    wrong: ' were',
  })
  // The name is in the prompt once, the other only in the corrupted prompt, at the same place.
  for (const { clean, corrupt, answer, wrong } of byName['repeated-name']!) {
    expect(clean.split(answer).length).toBe(2)
    expect(clean.replace(answer, wrong)).toBe(corrupt)
  }
  for (const { clean, answer } of byName.quotation!) {
    // Signs of quotation are in pairs when, and only when, the answer closes one.
    expect((clean + answer).split('"').length % 2).toBe(1)
  }
  // The last word before the verb is the same in both prompts.
  for (const { clean, corrupt } of byName['agreement-across']!) {
    expect(clean.split(' ').at(-1)).toBe(corrupt.split(' ').at(-1))
  }
})

test('prompts of different lengths are refused', () => {
  const sides = [
    { prompt: 'a', answer: 'b' },
    { prompt: 'a b', answer: 'c' },
  ] as const
  expect(() => bothDirections(tokenizer, sides)).toThrow('equally many tokens: "a" has 1, "a b" has 2')
})
