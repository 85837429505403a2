import { afterAll, describe, expect, it } from 'vitest'
import { openToy, toyForms } from '../../../test/support/toy-model.ts'
import type { Edit } from '../../lab/index.ts'
import { attentionPatterns } from './attention-patterns.ts'

const PROMPT = [1, 4, 2, 5, 3, 0]
const config = toyForms['one after the other']!

/** An edit that gives every head of both layers one pattern: query q looks at key `key(q)`. */
function looking(key: (query: number) => number): Edit[] {
  const length = PROMPT.length
  const data = new Float32Array(length * length)
  for (let q = 0; q < length; q++) data[q * length + key(q)] = 1
  return [{ hook: 'blocks.*.attn.hook_pattern', kind: 'replace', value: { shape: [1, length, length], data } }]
}

describe('attention patterns', () => {
  const opened: { dispose(): Promise<void> }[] = []
  const open = async (...given: Parameters<typeof openToy>) => {
    const model = await openToy(...given)
    opened.push(model)
    return model
  }
  afterAll(() => Promise.all(opened.map((model) => model.dispose())))

  it('scores of known patterns', async () => {
    const model = await open(config)
    const previous = await attentionPatterns(model, [PROMPT], { edits: looking((q) => Math.max(0, q - 1)) })
    expect(previous.values.scores.previous).toEqual([
      [1, 1],
      [1, 1],
    ])
    expect(previous.values.scores.entropy.flat()).toEqual([0, 0, 0, 0])
    // Only query 1's previous token is the first one.
    expect(previous.values.scores.first[0]![0]).toBeCloseTo(1 / 5)
    const own = await attentionPatterns(model, [PROMPT], { edits: looking((q) => q) })
    expect(own.values.scores.diagonal.flat()).toEqual([1, 1, 1, 1])
    const flat = await attentionPatterns(
      await open(config, { change: (name, data) => (/_[QK]$/.test(name) ? data.fill(0) : data) }),
      [PROMPT],
    )
    const uniform = [1, 2, 3, 4, 5].map((q) => 1 / (q + 1))
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length
    expect(flat.values.scores.previous[0]![0]).toBeCloseTo(mean(uniform), 5)
    expect(flat.values.scores.entropy[1]![1]).toBeCloseTo(mean(uniform.map((p) => -Math.log(p))), 5)
  })

  it('only the heads asked for, ranked', async () => {
    const model = await open(config)
    const all = await attentionPatterns(model, [PROMPT])
    const some = await attentionPatterns(model, [PROMPT], { layers: [-1], heads: [1] })
    expect(some.values.layers).toEqual([1])
    const { axes, shape, data } = all.values.prompts[0]!.patterns
    expect({ axes, shape }).toEqual({ axes: ['layer', 'head', 'query', 'key'], shape: [2, 2, 6, 6] })
    for (let row = 0; row < 2 * 2 * 6; row++)
      expect(data.subarray(row * 6, row * 6 + 6).reduce((sum, weight) => sum + weight)).toBeCloseTo(1, 5)
    // The last head's part of all.
    expect(some.values.prompts[0]!.patterns).toMatchObject({ shape: [1, 1, 6, 6], data: data.subarray(3 * 36) })
    const scores = all.values.ranking.previous.map(({ score }) => score)
    expect(scores).toEqual([...scores].sort((a, b) => b - a))
    await expect(attentionPatterns(model, [PROMPT], { heads: [2] })).rejects.toThrow(
      'head 2 was asked for; there are 2',
    )
  })

  it('the checks hold for heads with a habit and fail for heads at rest or led by words', async () => {
    const model = await open(config)
    const habit = await attentionPatterns(model, [PROMPT], { edits: looking((q) => Math.max(0, q - 1)) })
    expect(habit.checks.map(({ verdict }) => verdict)).toEqual(['holds', 'holds'])
    const rest = await attentionPatterns(model, [PROMPT], { edits: looking(() => 0) })
    expect(rest.checks[1]).toMatchObject({ measured: 1, verdict: 'fails' })
    const led = await open(config, {
      change: (name, data) =>
        name === 'pos_embed.W_pos' ? data.fill(0) : /W_[QK]$/.test(name) ? data.map((x) => 8 * x) : data,
    })
    const words = await attentionPatterns(led, [PROMPT])
    expect(words.checks[0]!.verdict).toBe('fails')
    const short = await attentionPatterns(model, [[1]])
    expect(short.checks.map(({ verdict }) => verdict)).toEqual(['not tested', 'not tested'])
    expect(short.values.scores.first[0]![0]).toBeNull()
  })
})
