import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import {
  hasReferences,
  huggingfaceModels,
  readJson,
  readTensors,
  referenceFolder,
} from '../../../test/support/reference.ts'
import { openToy, toyForms } from '../../../test/support/toy-model.ts'
import { toyConfig } from '../../../test/support/toy-models.ts'
import { loss } from '../../lab/index.ts'
import { loadModel } from '../../lab/node/load-model.ts'
import { type Expectation, nextTokenPredictions } from './next-token-predictions.ts'

const PROMPTS = [[1, 4, 2, 5, 3], [6, 0, 2], [4]]

/** What the logits of one position say, without the library: in float64, over the whole vocabulary. */
function expectationOf(logits: readonly number[], came: number | undefined) {
  const largest = Math.max(...logits)
  const total = logits.reduce((sum, x) => sum + Math.exp(x - largest), 0)
  const p = logits.map((x) => Math.exp(x - largest) / total)
  return {
    order: p.map((_, id) => id).sort((a, b) => p[b]! - p[a]!),
    p,
    entropy: -p.reduce((sum, x) => sum + x * Math.log(x), 0),
    loss: came === undefined ? null : -Math.log(p[came]!),
    rank: came === undefined ? null : p.filter((x) => x > p[came]!).length,
  }
}

function compare(found: readonly Expectation[], rows: readonly (readonly number[])[], ids: readonly number[]): void {
  expect(found).toHaveLength(ids.length)
  found.forEach((expectation, position) => {
    const { order, p, entropy, loss, rank } = expectationOf(rows[position]!, ids[position + 1])
    expect(expectation.top.map(({ id }) => id)).toEqual(order.slice(0, expectation.top.length))
    for (const { id, probability } of expectation.top) expect(probability).toBeCloseTo(p[id]!, 5)
    expect(expectation.entropy).toBeCloseTo(entropy, 4)
    expect(expectation.rank).toBe(rank)
    if (loss === null) expect(expectation.loss).toBeNull()
    else expect(expectation.loss).toBeCloseTo(loss, 4)
  })
}

const rowsOf = (data: ArrayLike<number>, from: number, rows: number, size: number) =>
  Array.from({ length: rows }, (_, r) => Array.from({ length: size }, (_, i) => data[(from + r) * size + i]!))

describe('predictions of the next token', () => {
  const opened: { dispose(): Promise<void> }[] = []
  const open = async (...given: Parameters<typeof openToy>) => {
    const model = await openToy(...given)
    opened.push(model)
    return model
  }
  afterAll(() => Promise.all(opened.map((model) => model.dispose())))

  it.each(Object.entries(toyForms))('%s: everything follows from the logits', async (_, config) => {
    const model = await open(config)
    const { values } = await nextTokenPredictions(model, PROMPTS, { topK: 3 })
    for (const [i, ids] of PROMPTS.entries()) {
      const { logits } = await model.run([ids], { positions: 'all' })
      const { expectations, meanLoss } = values.prompts[i]!
      compare(expectations, rowsOf(logits!.data as Float32Array, 0, ids.length, config.d_vocab_out), ids)
      const losses = expectations.flatMap(({ loss }) => loss ?? [])
      if (ids.length === 1) expect(meanLoss).toBeNull()
      else expect(meanLoss).toBeCloseTo(losses.reduce((a, b) => a + b, 0) / losses.length, 6)
    }
  })

  it('a model that knows nothing guesses: ln V everywhere, and says so of itself', async () => {
    const config = toyForms['one after the other']!
    const model = await open(config, { change: (name, data) => (/W_U|b_U/.test(name) ? data.fill(0) : data) })
    const ids = Array.from({ length: 12 }, (_, i) => i % config.d_vocab_out)
    const { values, checks } = await nextTokenPredictions(model, [ids])
    const { expectations, meanLoss } = values.prompts[0]!
    expect(meanLoss).toBeCloseTo(Math.log(config.d_vocab_out), 5)
    for (const { entropy } of expectations) expect(entropy).toBeCloseTo(Math.log(config.d_vocab_out), 5)
    expect(checks.map(({ verdict }) => verdict).slice(1)).toEqual(['holds', 'not tested'])
  })

  it('a model that is sure and wrong fails the checks of its probabilities', async () => {
    const config = toyForms['one after the other']!
    const scaled = (name: string, data: Float32Array) => (/W_U|b_U/.test(name) ? data.map((x) => 60 * x) : data)
    const model = await open(config, { change: scaled })
    const ids = Array.from({ length: 20 }, (_, i) => (5 * i * i + i) % config.d_vocab_out)
    const { checks } = await nextTokenPredictions(model, [ids])
    expect(checks.map(({ verdict }) => verdict)).toEqual(['fails', 'fails', 'not tested'])
  })

  it("tokens drawn from the model's own distribution are as surprising as it expects", async () => {
    const model = await open(toyForms['one after the other']!)
    const drawn: number[][] = []
    for (let seed = 0; seed < 4; seed++) {
      const { continuations } = await model.generate([[seed]], { tokens: 20, temperature: 1, seed })
      drawn.push([seed, ...continuations[0]!.ids])
    }
    const { checks } = await nextTokenPredictions(model, drawn)
    expect(checks[1]).toMatchObject({ verdict: 'holds' })
    expect(checks[1]!.measured).toMatch(/over 80 tokens/)
  })

  it('single tokens have no loss, and checks that need one are not tested', async () => {
    const model = await open(toyForms['one after the other']!)
    const { checks } = await nextTokenPredictions(model, [[3]])
    expect(checks.map(({ verdict }) => verdict)).toEqual(['not tested', 'not tested', 'not tested'])
  })

  it('tokens that have no logit have no loss, and are left out of means', async () => {
    const model = await openToy(toyConfig({ d_vocab: 7, d_vocab_out: 5 }))
    const { values } = await nextTokenPredictions(model, [[1, 4, 6, 2]])
    const { expectations, meanLoss } = values.prompts[0]!
    expect(expectations.map(({ loss }) => loss === null)).toEqual([false, true, false, true])
    expect(expectations.map(({ rank }) => rank === null)).toEqual([false, true, false, true])
    const known = (expectations[0]!.loss! + expectations[2]!.loss!) / 2
    expect(meanLoss).toBeCloseTo(known, 6)
    const { metric } = await model.run([[1, 4, 6, 2]], { metric: loss() })
    expect(metric![0]).toBeCloseTo(known, 5)
    await model.dispose()
  })

  it('refuses more tokens than there are', async () => {
    const model = await open(toyForms['one after the other']!)
    await expect(nextTokenPredictions(model, [[1, 2]], { topK: 1000 })).rejects.toThrow(/topK 1000/)
  })
})

describe('predictions of the shipped text model', () => {
  it('English is predicted, and about as surprising as expected; texts begin anywhere', async () => {
    const model = await loadModel(fileURLToPath(new URL('../../../checkpoints/text', import.meta.url)))
    const text = 'The king said to the queen that the men were in the city.'
    const { checks } = await nextTokenPredictions(model, [text])
    expect(checks.map(({ verdict }) => verdict)).toEqual(['holds', 'holds', 'not tested'])
    await model.dispose()
  })
})

const stories = fileURLToPath(new URL('../../../../shared/checkpoints/stories260K', import.meta.url))

describe.skipIf(!existsSync(stories))('with a start token (skipped without ../shared/checkpoints)', () => {
  it('a prompt without it fails the check of how texts begin', async () => {
    const model = await loadModel(stories)
    const plain = await nextTokenPredictions(model, ['Once upon a time'])
    const { ids } = plain.values.prompts[0]!.prompt
    const cut = await nextTokenPredictions(model, [ids.slice(1)])
    expect([plain, cut].map(({ checks }) => checks[2]!.verdict)).toEqual(['holds', 'fails'])
    await model.dispose()
  })
})

describe.skipIf(!hasReferences)('against logits of transformers (skipped without ../shared/reference)', () => {
  it.each(huggingfaceModels.filter((name) => ['gpt2', 'llama', 'gemma2'].includes(name)))('%s', async (name) => {
    const folder = `${referenceFolder}/huggingface/${name}`
    const logits = readTensors(`${folder}/expected.safetensors`).get('logits')!
    const prompts = readJson(folder, 'tokens.json') as number[][]
    const [, length, vocabulary] = logits.shape as [number, number, number]
    const model = await loadModel(folder)
    const { values } = await nextTokenPredictions(model, prompts)
    prompts.forEach((ids, i) => {
      compare(values.prompts[i]!.expectations, rowsOf(logits.data, i * length, length, vocabulary), ids)
    })
    await model.dispose()
  })
})
