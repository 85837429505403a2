import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { randomSource } from '../../random/index.ts'
import type { Problem } from '../problem.ts'
import { documentLength, factPrompt, objectPositions, PROMPT_LENGTH, randomQuestion } from './facts/documents.ts'
import { factBase } from './facts/fact-base.ts'
import { type FactsConfig, facts } from './facts.ts'

const small = { subjects: 60, firstNames: 12, lastNames: 10, relations: 3, objects: 20, d_model: 16, n_heads: 2 }
const configOf = (more: object = {}): FactsConfig => v.parse(facts.schema, { ...small, ...more })
const resources = { readFile: () => Promise.reject(new Error('this task needs no files')) }
const problemOf = (seed: number, more: object = {}) => facts.create(configOf(more), seed, resources) as Problem

/** Documents of one micro-batch, as rows of token ids. */
function documents(seed: number, index: number, more: object = {}): number[][] {
  const length = documentLength(small)
  const tokens = Array.from(problemOf(seed, more).microBatch(index).tokens as BigInt64Array, Number)
  return Array.from({ length: tokens.length / length }, (_, row) => tokens.slice(row * length, (row + 1) * length))
}

/** The vocabulary as this test knows it: start, the asking word, three words, first names, last names, relations, objects. */
const FIRST = 5
const LAST = FIRST + small.firstNames
const RELATION = LAST + small.lastNames
const OBJECT = RELATION + 2 * small.relations
const isFirst = (token: number) => token >= FIRST && token < LAST
const isLast = (token: number) => token >= LAST && token < RELATION

/** Subject (as its names) and facts of a document, by its tokens alone. */
function readDocument(tokens: readonly number[]) {
  const at = tokens.flatMap((token, p) => (isFirst(token) && isLast(tokens[p + 1]!) ? [p] : []))
  const told = objectPositions(small).map((p) => {
    expect(tokens[p - 1]).toBe(1)
    return { relation: Math.floor((tokens[p - 2]! - RELATION) / 2), wording: tokens[p - 2]! % 2, object: tokens[p]! }
  })
  return { at, subject: at.map((p) => `${tokens[p]} ${tokens[p + 1]}`)[0]!, told }
}

describe('facts', () => {
  it.each([1, 2, 3])('seed %i: subjects are different pairs of shared names', (seed) => {
    const { subjects } = factBase(configOf(), seed)
    expect(subjects).toHaveLength(60)
    expect(new Set(subjects.map(String)).size).toBe(60)
    for (const [side, count] of [
      [0, 12],
      [1, 10],
    ] as const) {
      const uses = Array.from({ length: count }, (_, name) => subjects.filter((one) => one[side] === name).length)
      expect(Math.min(...uses)).toBeGreaterThanOrEqual(2)
    }
  })

  it.each([1, 2, 3])('seed %i: the answer needs both names', (seed) => {
    const config = { ...configOf(), subjects: 1000, firstNames: 40, lastNames: 40, objects: 40 }
    const { subjects, objectOf } = factBase(config, seed)
    // whoever knows one name and the relation, and all facts, is right with the commonest object only
    for (const side of [0, 1]) {
      let right = 0
      for (let name = 0; name < 40; name++)
        for (let relation = 0; relation < 3; relation++) {
          const counts = new Map<number, number>()
          subjects.forEach((pair, subject) => {
            const object = objectOf(subject, relation)
            if (pair[side] === name) counts.set(object, (counts.get(object) ?? 0) + 1)
          })
          right += Math.max(0, ...counts.values())
        }
      expect(right / 3000).toBeLessThan(0.2)
    }
  })

  it('every document tells all facts of one subject, and never two objects for one fact', () => {
    const told = new Map<string, number>()
    const seen = { openings: new Set<number>(), wordings: new Set<number>(), orders: new Set<string>() }
    for (let index = 0; index < 30; index++)
      for (const tokens of documents(4, index)) {
        const read = readDocument(tokens)
        // the only first name that a last name follows
        expect(read.at).toHaveLength(1)
        expect(read.told.map(({ relation }) => relation).sort()).toEqual([0, 1, 2])
        seen.openings.add(read.at[0]!)
        seen.orders.add(read.told.map(({ relation }) => relation).join())
        for (const { relation, wording, object } of read.told) {
          seen.wordings.add(2 * relation + wording)
          const fact = `${read.subject} ${relation}`
          expect(told.get(fact) ?? object).toBe(object)
          told.set(fact, object)
          expect(Math.floor((object - OBJECT) / small.objects)).toBe(relation)
        }
      }
    expect(told.size).toBe(180)
    expect([seen.openings.size, seen.wordings.size, seen.orders.size]).toEqual([3, 6, 6])
  })

  it('a prompt is the beginning of a document, with the names where it says', () => {
    const config = configOf()
    const base = factBase(config, 4)
    for (let i = 0; i < 50; i++) {
      const question = randomQuestion(config, randomSource(9, i))
      const { tokens, subject, answer } = factPrompt(config, base, question)
      expect(tokens).toHaveLength(PROMPT_LENGTH)
      const [first, last] = base.subjects[question.subject]!
      expect(subject.map((p) => tokens[p])).toEqual([FIRST + first, LAST + last])
      expect(tokens[PROMPT_LENGTH - 2]).toBe(RELATION + 2 * question.relation + question.wording)
      const expected = base.objectOf(question.subject, question.relation)
      expect(answer).toBe(OBJECT + question.relation * small.objects + expected)
      expect(Math.max(...subject)).toBeLessThan(PROMPT_LENGTH - 3)
    }
  })

  it('controls: one object per relation; the same three words around every subject', () => {
    const objects = new Map<number, Set<number>>()
    for (const tokens of documents(4, 0, { dependsOn: 'relation' }))
      for (const { relation, object } of readDocument(tokens).told)
        objects.set(relation, (objects.get(relation) ?? new Set()).add(object))
    expect([...objects.values()].map(({ size }) => size)).toEqual([1, 1, 1])
    for (const tokens of documents(4, 0, { others: 'words' }))
      expect(tokens.slice(1, 6).filter((token) => !isFirst(token) && !isLast(token))).toEqual([2, 3, 4])
  })

  it('batches are functions of config, seed and index', () => {
    expect(documents(4, 7)).toEqual(documents(4, 7))
    expect(documents(4, 7)).not.toEqual(documents(4, 8))
    expect(documents(4, 7)).not.toEqual(documents(5, 7))
    expect(() => configOf({ subjects: 121 })).toThrow('not so many subjects')
    expect(() => configOf({ n_heads: 3 })).toThrow('multiple')
  })
})
