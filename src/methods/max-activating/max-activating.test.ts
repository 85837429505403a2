import { afterAll, describe, expect, it } from 'vitest'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { type Model, ofPrompt } from '../../lab/index.ts'
import { openCompiled } from '../../lab/open-compiled.ts'
import { compileModel } from '../../models/compiled/index.ts'
import { randomSource } from '../../random/index.ts'
import type { Check } from '../shared/checks.ts'
import { batches, type CorpusText, corpusSequences } from './activation-corpus.ts'
import { ActivationSample, GroupMeans, quantile, shareBelow } from './activation-sample.ts'
import { maxActivating } from './max-activating.ts'
import { contextLengths } from './minimal-example.ts'

const backend = createNodeBackend({ threads: 1 })
const models: Model[] = []
afterAll(async () => {
  for (const model of models) await model.dispose()
  await backend.dispose()
})

async function opened(name: string, seed = 1) {
  const compiled = compileModel(name, { seed })
  const model = await openCompiled(compiled, backend)
  models.push(model)
  const partOf = (role: string) => Object.entries(compiled.truth.roles).find(([, one]) => one === role)![0]
  const indexOf = (role: string) => Number(/\d+$/.exec(partOf(role))![0])
  return { compiled, model, indexOf }
}

const corpusOf = (sequences: readonly (readonly number[])[]): CorpusText[] =>
  sequences.map((text, i) => ({ name: `text ${i}`, text }))

const verdict = (checks: readonly Check[], name: string | RegExp) =>
  checks.find((check) => (typeof name === 'string' ? check.name === name : name.test(check.name)))!.verdict

describe('what is kept of a corpus', () => {
  const random = randomSource(3, 'test')
  const sequences = Array.from({ length: 300 }, (_, text) => {
    const ids = Array.from({ length: 12 }, () => random.integer(20))
    return {
      text,
      name: String(text),
      ids,
      start: 1 as const,
      values: Float32Array.from(ids, () => random.normal()),
      keys: null,
      from: 1,
    }
  })
  const all = sequences.flatMap(({ values }) => [...values.slice(1)]).sort((a, b) => a - b)

  it('top and quantiles are those of sorting everything', () => {
    const sample = new ActivationSample(7, 1000, randomSource(0, 'sample'))
    for (const sequence of sequences) sample.add(sequence)
    const best = sequences.map(({ values }) => Math.max(...values.slice(1))).sort((a, b) => b - a)
    expect(sample.top.map(({ activation }) => activation)).toEqual(best.slice(0, 7))
    for (const { sequence, position, activation } of sample.top) expect(sequence.values[position]).toBe(activation)
    const sorted = sample.sorted()
    expect([...sorted]).toEqual(all)
    for (const share of [0.01, 0.5, 0.9, 0.999]) {
      expect(all.filter((x) => x <= quantile(sorted, share)).length / all.length).toBeGreaterThanOrEqual(share)
      expect(all.filter((x) => x < quantile(sorted, share)).length / all.length).toBeLessThan(share)
    }
    expect([quantile(sorted, 0), quantile(sorted, 1)]).toEqual([all[0], all.at(-1)])
    expect(shareBelow(sorted, all[1234]!)).toBeCloseTo(1234 / all.length, 12)
    expect(sample).toMatchObject({ tokens: 300 * 11, sequences: 300, texts: 300 })
  })

  it('the sample is bounded and fair, and a sequence that comes again is no second example', () => {
    const counts = new Array<number>(300).fill(0)
    for (let seed = 0; seed < 200; seed++) {
      const sample = new ActivationSample(3, 30, randomSource(seed, 'sample'))
      for (const sequence of [...sequences, ...sequences.slice(0, 5)]) sample.add(sequence)
      expect(sample.sample).toHaveLength(30)
      expect(new Set(sample.top.map(({ sequence }) => sequence.text)).size).toBe(3)
      for (const { text } of sample.sample) counts[text]!++
    }
    // 200 samples of 30 in 305: 19.7 each, with a deviation of 4.2 over groups of one
    const thirds = [0, 1, 2].map(
      (third) => counts.slice(100 * third, 100 * third + 100).reduce((a, b) => a + b, 0) / 100,
    )
    for (const third of thirds) expect(Math.abs(third - 20)).toBeLessThan(2)
  })

  it('the variance that groups explain is what was put in, and nothing by chance', () => {
    const [half, none, whole] = [new GroupMeans(), new GroupMeans(), new GroupMeans()]
    for (let i = 0; i < 20_000; i++) {
      const group = random.integer(50)
      const sign = group % 2 === 0 ? 1 : -1
      half.add(group, sign + random.normal())
      none.add(random.integer(5000), random.normal())
      whole.add(group, sign)
    }
    expect(half.explained()!).toBeCloseTo(0.5, 1)
    expect(none.explained()!).toBeLessThan(0.03)
    expect(whole.explained()!).toBeCloseTo(1, 6)
    expect(new GroupMeans().explained()).toBeNull()
  })

  it('contexts are tried from short to long', () => {
    expect(contextLengths(20)).toEqual([1, 2, 3, 4, 6, 8, 12, 16])
    expect(contextLengths(2)).toEqual([1])
  })
})

describe('sequences of a corpus', () => {
  it('cuts long texts behind the start token, keeps short ones, and batches by length', async () => {
    const { compiled, model } = await opened('induction')
    const letters = compiled.tokens.filter((token) => /[a-z]/.test(token))
    const text = Array.from({ length: 100 }, (_, i) => letters[i % letters.length]).join('')
    const found = []
    const texts = [
      { name: 'long', text },
      { name: 'short', text: 'abc' },
    ]
    for await (const sequence of corpusSequences(model, texts, 31, undefined)) found.push(sequence)
    const start = found[0]!.start
    expect(found.map(({ ids }) => ids.length)).toEqual([
      ...new Array(Math.floor(100 / (31 - start))).fill(31),
      3 + start,
    ])
    expect(found.map(({ name }) => name).at(-1)).toBe('short')
    const joined = found.slice(0, -1).flatMap(({ ids }) => ids.slice(start))
    expect(joined).toEqual(model.tokenize(text).ids.slice(start, start + joined.length))
    const grouped = []
    for await (const batch of batches(corpusSequences(model, texts, 31, undefined), 60)) grouped.push(batch.length)
    expect(grouped.reduce((a, b) => a + b)).toBe(found.length)
  })
})

describe.each([1, 2, 3])('examples by activation, seed %i', (seed) => {
  it("a gate's neuron is active where both bits are 1, and nowhere else", async () => {
    const { compiled, model, indexOf } = await opened('and-gate', seed)
    const inputs = compiled.inputs(64)
    const { values, checks, complete } = await maxActivating(model, corpusOf(inputs), {
      ...{ hook: 'blocks.0.mlp.hook_post', index: indexOf('both'), topK: 20 },
    })
    const yes = inputs.filter((ids) => compiled.tokens[compiled.answer(ids)!] === 'Y')
    expect(yes.length).toBeGreaterThan(0)
    // At the last position: before the second bit is seen, its head looks elsewhere.
    const active = values.top.filter(({ activations }) => activations.at(-1)! > 0.5)
    expect(active.map(({ ids }) => ids.join()).sort()).toEqual(yes.map((ids) => ids.join()).sort())
    const { captures } = await model.run(inputs, { capture: 'blocks.0.mlp.hook_post' })
    const largest = inputs.map((_, i) => {
      const { shape, data } = ofPrompt(captures['blocks.0.mlp.hook_post']!, i)
      const [length, width] = shape as [number, number]
      return Math.max(...Array.from({ length: length - 1 }, (_, p) => Number(data[(p + 1) * width + indexOf('both')])))
    })
    expect(values.top[0]!.activation).toBeCloseTo(Math.max(...largest), 5)
    expect(values).toMatchObject({ target: { name: `L0N${indexOf('both')}`, layer: 0 }, sequences: inputs.length })
    expect(complete).toBe(true)
    expect(verdict(checks, 'the minimal examples keep the activation')).toBe('holds')
  })

  it('a token detector is found out, and needs one token', async () => {
    const { compiled, model } = await opened('induction', seed)
    const letter = compiled.tokens.findIndex((token) => /[a-z]/.test(token))
    const corpus = corpusOf(compiled.inputs(400))
    const { values, checks } = await maxActivating(model, corpus, {
      ...{ hook: 'hook_embed', direction: embeddingOf(compiled, letter), topK: 5 },
    })
    for (const { ids, position, minimal } of values.top) {
      expect(ids[position]).toBe(letter)
      expect(minimal).toMatchObject({ first: position })
    }
    expect(values.explained.token!).toBeGreaterThan(0.99)
    expect(verdict(checks, 'it is not just the token')).toBe('fails')
    expect(verdict(checks, 'it is not just the position')).toBe('holds')
  })

  it('what an induction head writes needs the context from the first occurrence on', async () => {
    const { compiled, model, indexOf } = await opened('induction', seed)
    const corpus = corpusOf(compiled.inputs(200))
    const target = compiled.tokens.findIndex((token) => /[a-z]/.test(token))
    const { values, checks } = await maxActivating(model, corpus, {
      ...{ hook: 'blocks.1.attn.hook_result', head: indexOf('induction'), direction: unembeddingOf(compiled, target) },
    })
    const { ids, position, minimal } = values.top[0]!
    expect(compiled.answer(ids)).toBe(target)
    const first = ids.indexOf(ids[position]!)
    expect(minimal!.first).toBeLessThanOrEqual(first)
    // as long as the next length that is tried, at most
    expect(position + 1 - minimal!.first).toBeLessThan(1.5 * (position + 1 - first) + 1)
    expect(verdict(checks, 'it is not just the token')).toBe('holds')
  })
})

/** The exact embedding of a token in the model's own basis, and the unembedding's column. */
function embeddingOf({ weights }: ReturnType<typeof compileModel>, token: number): number[] {
  const { shape, data } = weights.get('embed.W_E')!
  return Array.from((data as Float32Array).subarray(token * shape[1]!, (token + 1) * shape[1]!))
}
function unembeddingOf({ weights }: ReturnType<typeof compileModel>, token: number): number[] {
  const { shape, data } = weights.get('unembed.W_U')!
  return Array.from({ length: shape[0]! }, (_, i) => Number(data[i * shape[1]! + token]))
}

describe('examples by activation', () => {
  it('examples that are not typical of the top percent are said to be so', async () => {
    const { compiled, model } = await opened('induction')
    const letters = compiled.tokens.flatMap((token, id) => (/[a-z]/.test(token) ? [id] : []))
    const [loud, quiet, ...rest] = letters as [number, number, ...number[]]
    const random = randomSource(5, 'corpus')
    // `loud` once in a thousand tokens, `quiet` once in thirty
    const corpus = corpusOf(
      Array.from({ length: 400 }, (_, i) =>
        Array.from({ length: 30 }, (_, p) =>
          p === 7 && i % 33 === 0 ? loud : random.integer(30) === 0 ? quiet : rest[random.integer(rest.length)]!,
        ),
      ),
    )
    const of = (token: number, factor: number) => embeddingOf(compiled, token).map((x) => factor * x)
    const run = (direction: readonly number[]) => maxActivating(model, corpus, { hook: 'hook_embed', direction })
    const both = of(loud, 2).map((x, i) => x + of(quiet, 1)[i]!)
    const [mixed, pure] = [await run(both), await run(of(quiet, 1))]
    const name = 'the top examples are typical of the top percent'
    expect([verdict(mixed.checks, name), verdict(pure.checks, name)]).toEqual(['fails', 'holds'])
    expect(mixed.values.top.every(({ ids, position }) => ids[position] === loud)).toBe(true)
    const upper = mixed.values.bands[0]!.examples
    expect(upper.some(({ ids, position }) => ids[position] === quiet)).toBe(true)
  })

  it('a small sample, and one text, are said to be so', async () => {
    const { compiled, model, indexOf } = await opened('induction')
    const target = { hook: 'blocks.1.attn.hook_pattern', head: indexOf('induction'), topK: 4 }
    const few = await maxActivating(model, corpusOf(compiled.inputs(4)), target)
    expect(verdict(few.checks, 'the sample is large enough')).toBe('fails')
    const inputs = compiled.inputs(300)
    const one = await maxActivating(model, [{ name: 'one', text: inputs.flatMap((ids) => ids.slice(1)) }], target)
    expect(verdict(one.checks, 'the top examples come from different texts')).toBe('not tested')
    const two = [
      { name: 'a', text: inputs.slice(0, 250).flatMap((ids) => ids.slice(1)) },
      { name: 'b', text: inputs.slice(250).flatMap((ids) => ids.slice(1)) },
    ]
    const lopsided = await maxActivating(model, two, { ...target, hook: 'hook_pos_embed', head: undefined, index: 0 })
    expect(['holds', 'fails']).toContain(verdict(lopsided.checks, 'the top examples come from different texts'))
    expect(verdict(lopsided.checks, 'it is not just the position')).toBe('fails')
    for (const { ids, key, position } of one.values.top) {
      expect(key).toBeLessThanOrEqual(position)
      // to what came after an earlier occurrence
      if (ids.slice(0, position).includes(ids[position]!)) expect(ids[key! - 1]).toBe(ids[position])
    }
  })

  it('cancelled, it keeps the batches that are done; partial results come on the way', async () => {
    const { compiled, model, indexOf } = await opened('induction')
    const target = { hook: 'blocks.1.attn.hook_pattern', head: indexOf('induction') }
    const corpus = corpusOf(compiled.inputs(3000))
    const controller = new AbortController()
    const partial: boolean[] = []
    const cut = await maxActivating(model, corpus, {
      ...target,
      signal: controller.signal,
      onPartial: ({ complete }) => partial.push(complete),
      onProgress: ({ done }) => done > 5000 && controller.abort(),
    })
    expect(cut.complete).toBe(false)
    expect(cut.values.tokens).toBeGreaterThan(5000)
    expect(cut.values.tokens).toBeLessThan(3000 * 6)
    expect(partial.length).toBeGreaterThan(0)
    expect(partial).not.toContain(true)
    expect(verdict(cut.checks, 'the minimal examples keep the activation')).toBe('not tested')
    const limited = await maxActivating(model, corpus, { ...target, tokens: 2000 })
    expect(limited.values.tokens).toBeLessThan(2020)
    expect(limited.complete).toBe(true)
  })

  it('refuses what cannot be read', async () => {
    const { model } = await opened('and-gate')
    const run = (target: object) => maxActivating(model, corpusOf([[0, 2, 3]]), target as { hook: string })
    await expect(run({ hook: 'blocks.0.mlp.hook_post' })).rejects.toThrow(/many numbers per token.*index/)
    await expect(run({ hook: 'blocks.0.mlp.hook_post', index: 999 })).rejects.toThrow(/no entry.*999; there are 0 to/)
    await expect(run({ hook: 'blocks.0.attn.hook_z', index: 0 })).rejects.toThrow(/which head/)
    await expect(run({ hook: 'hook_embed', head: 0, index: 0 })).rejects.toThrow(/no heads/)
    await expect(run({ hook: 'hook_embed', direction: [1, 2] })).rejects.toThrow(/2 numbers; .* needs/)
    await expect(run({ hook: 'blocks.0.mlp.hook_pots', index: 0 })).rejects.toThrow(/hook_post/)
    await expect(maxActivating(model, [], { hook: 'hook_embed', index: 0 })).rejects.toThrow(/hold no token/)
  })
})
