import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type GenerateOptions, loadModel } from 'diopter'
import { describe, expect, it } from 'vitest'
import { randomStream, sampler } from '../../src/lab/sampling.ts'
import { byteLevelTokenizer } from '../../src/tokenizer/fixtures.ts'
import { createTokenizer } from '../../src/tokenizer/tokenizer.ts'
import { tokenIds } from '../support/families.ts'
import { hasReferences, referenceFolder } from '../support/reference.ts'
import { openToy, toyForms } from '../support/toy-model.ts'

const toy = toyForms['grouped queries, gated, rotary']!

describe('text', () => {
  const tokenizer = createTokenizer(byteLevelTokenizer(), { bos_token: '<|end|>', eos_token: '<|end|>' })
  const open = () =>
    openToy(
      {
        ...toyForms['one after the other']!,
        d_vocab: tokenizer.vocabSize,
        d_vocab_out: tokenizer.vocabSize,
        n_ctx: 64,
      },
      { tokenizer },
    )
  /** Makes the model say these tokens, whatever it thinks: the logits of each position are replaced. */
  const saying = (ids: readonly number[], start: number): GenerateOptions['edits'] => ({
    'unembed.hook_out': (x, { positions }) =>
      ids.reduce((logits, id, i) => {
        const there = positions.equal(start + i).unsqueeze(2)
        return there.where(logits.at('...', id).set(1e6), logits)
      }, x),
  })
  const say = async (text: string, own: Partial<GenerateOptions> = {}) => {
    const model = await open()
    const prompt = tokenizer.encode('hello').ids
    const ids = [...tokenizer.encode(text).ids, 0]
    const told: { id: number | null; text: string }[] = []
    const { continuations } = await model.generate([prompt], {
      tokens: 40,
      edits: saying(ids, prompt.length - 1),
      onToken: ({ id, text }) => told.push({ id, text }),
      ...own,
    })
    await model.dispose()
    const [continuation] = continuations
    expect(told.map(({ text }) => text).join('')).toBe(continuation!.text)
    expect(told.flatMap(({ id }) => (id === null ? [] : [id]))).toEqual(continuation!.ids)
    return continuation!
  }

  it('streams what it returns, characters of several tokens included, and ends at a special token', async () => {
    expect(await say(' world é 語 hello')).toMatchObject({ text: ' world é 語 hello', stoppedBy: 'special token' })
    expect(await say('a 語', { tokens: 3 })).toMatchObject({ text: 'a �', stoppedBy: 'length' })
  })

  it('stops at texts across token borders, and says nothing of them', async () => {
    expect(await say(' hello world', { stop: ['lo wo'] })).toMatchObject({ text: ' hel', stoppedBy: 'stop text' })
    expect(await say('ababac', { stop: ['abac', 'zz'] })).toMatchObject({ text: 'ab', stoppedBy: 'stop text' })
    expect(await say('abab', { stop: ['abac'] })).toMatchObject({ text: 'abab', stoppedBy: 'special token' })
    expect(await say(' é!', { stop: ['é'] })).toMatchObject({ text: ' ', stoppedBy: 'stop text' })
    await expect(say('a', { stop: [''] })).rejects.toThrow(/empty text/)
    const model = await openToy(toy)
    await expect(model.generate([[1]], { tokens: 2, stop: ['a'] })).rejects.toThrow(/no tokenizer.json/)
    await model.dispose()
  })

  it('starts an empty prompt from the start token, and goes on behind special tokens when asked', async () => {
    const model = await open()
    const { continuations } = await model.generate('', { tokens: 2 })
    expect(continuations[0]!.prompt.ids).toEqual([0])
    await model.dispose()
    const through = await say('a', { stopAtSpecial: false, tokens: 5 })
    expect(through).toMatchObject({ stoppedBy: 'length' })
    expect(through.ids).toHaveLength(5)
    expect(through.ids[1]).toBe(0)
  })
})

describe('sampling', () => {
  const logits = Float32Array.from([0, 1, 2, 3, -1])
  const frequencies = (options: object, draws = 20000) => {
    const choose = sampler({ seed: 3, ...options })
    const counts = new Array<number>(logits.length).fill(0)
    for (let i = 0; i < draws; i++) counts[choose(logits)]!++
    return counts.map((n) => n / draws)
  }
  const softmax = (x: readonly number[]) => {
    const e = x.map(Math.exp)
    return e.map((v) => v / e.reduce((a, b) => a + b))
  }

  it('follows softmax at a temperature, the k best, or the mass asked for', () => {
    const near = (actual: readonly number[], expected: readonly number[]) =>
      expect(Math.max(...actual.map((f, i) => Math.abs(f - expected[i]!)))).toBeLessThan(0.012)
    near(frequencies({ temperature: 1 }), softmax([...logits]))
    near(frequencies({ temperature: 2 }), softmax([...logits].map((x) => x / 2)))
    const [two, one] = softmax([2, 3])
    near(frequencies({ topK: 2 }), [0, 0, two!, one!, 0])
    // p = .64 .24 .09: the two best hold .87, so 0.7 needs both and 0.6 only the first
    near(frequencies({ topP: 0.7 }), [0, 0, two!, one!, 0])
    near(frequencies({ topP: 0.6 }), [0, 0, 0, 1, 0])
    near(frequencies({ temperature: 0 }), [0, 0, 0, 1, 0])
    expect(() => sampler({ greedy: true, topK: 2 })).toThrow(/greedy/)
    for (const wrong of [{ temperature: -1 }, { topK: 0 }, { topP: 0 }, { topP: 1.5 }])
      expect(() => sampler(wrong)).toThrow(/must/)
  })

  it('is even and repeats for a seed', () => {
    const stream = randomStream(5)
    const values = Array.from({ length: 10000 }, stream)
    expect(Math.abs(values.reduce((a, b) => a + b) / values.length - 0.5)).toBeLessThan(0.02)
    const again = randomStream(5)
    expect(values.slice(0, 5)).toEqual(Array.from({ length: 5 }, again))
  })

  it('a seed repeats a continuation, and a prompt draws the same alone and in a batch', async () => {
    const model = await openToy(toy)
    const prompts = [tokenIds(model, 3), tokenIds(model, 5, 2)]
    const draw = (seed: number | undefined, list = prompts) =>
      model.generate(list, { tokens: 15, temperature: 1.5, seed }).then(({ continuations, provenance }) => ({
        ids: continuations.map(({ ids }) => ids),
        seed: provenance.seed,
      }))
    const first = await draw(7)
    expect(await draw(7)).toEqual(first)
    expect((await draw(8)).ids).not.toEqual(first.ids)
    expect((await draw(7, [prompts[0]!])).ids[0]).toEqual(first.ids[0])
    expect((await draw(undefined)).seed).toBe(0)
    expect((await model.generate(prompts, { tokens: 1 })).provenance.seed).toBeNull()
    await model.dispose()
  })
})

const stories = join(referenceFolder, '../checkpoints/stories260K')
describe.skipIf(!hasReferences)('stories260K (skipped without ../shared)', () => {
  it('says expected-greedy.txt byte for byte', async () => {
    const model = await loadModel(stories)
    const expected = readFileSync(join(stories, 'expected-greedy.txt'), 'utf8')
    const { tokenizer } = model
    const prompt = 'Once upon a time'
    const length = tokenizer!.encode(expected).ids.length - tokenizer!.encode(prompt).ids.length
    const { continuations } = await model.generate(prompt, { tokens: length, greedy: true })
    expect(prompt + continuations[0]!.text).toBe(expected)
    await model.dispose()
  })
})
