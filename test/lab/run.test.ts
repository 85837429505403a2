import {
  type Activation,
  type Edit,
  type EditFunction,
  logit,
  logitDifference,
  logProbability,
  loss,
  type MetricFunction,
  ofPrompt,
  type RunOptions,
} from 'diopter'
import { describe, expect, it } from 'vitest'
import { gradients } from '../../src/autodiff/index.ts'
import { publicParameters, publicValues, traceModel } from '../../src/models/index.ts'
import { byteLevelTokenizer } from '../../src/tokenizer/fixtures.ts'
import { createTokenizer } from '../../src/tokenizer/tokenizer.ts'
import { evaluate } from '../support/evaluate.ts'
import { disagreement, tokenIds } from '../support/families.ts'
import { recordingForward, storedOf } from '../support/reference.ts'
import { openToy, toyForms, toyValues } from '../support/toy-model.ts'

const config = toyForms['grouped queries, gated, rotary']!
const open = () => openToy(config)

const resid = 'blocks.0.hook_resid_post'
const z = 'blocks.1.attn.hook_z'
const pattern = 'blocks.0.attn.hook_pattern'

describe('metrics, gradients, logits', () => {
  it('gradients of hooks and weights under edits are those of the formula', async () => {
    for (const form of ['grouped queries, gated, rotary', 'norms after each part', 'one after the other']) {
      const toy = toyForms[form]!
      const model = await openToy(toy)
      const prompts = [tokenIds(model, 5), tokenIds(model, 5, 2)]
      const edit: Record<string, EditFunction> = {
        [resid]: (x) => x.at(':', -1).mul(0.5),
        [z]: (x) => x.at('...', 1, ':').set(0),
      }
      const names = ['hook_embed', resid, pattern, z, 'blocks.0.attn.hook_q', 'blocks.1.ln2.hook_scale']
      const result = await model.run(prompts, {
        edits: { [resid]: edit[resid]!, [z]: { kind: 'zero', heads: [1] } },
        metric: logitDifference(2, 5),
        grad: [...names, '*.W_*', '*.b_*', '*ln*.w'],
        capture: 'blocks.1.hook_resid_post',
      })
      const values = toyValues(toy)
      const parameters = publicParameters(toy, new Map([...values].map(([name, { shape }]) => [name, shape])))
      const { forward, seen, feeds } = recordingForward(
        { config: toy, parameters, stored: storedOf(parameters, values) },
        prompts,
        {
          hook: (name, x) => (edit[name]?.(x, undefined as never) ?? x).pin(),
        },
      )
      const last = traceModel(forward).get(':', -1)
      const metric = last.get(':', 2).sub(last.get(':', 5))
      const inputs = [...feeds.keys()]
      const targets = [...names.map((name) => seen.get(name)!), ...inputs]
      const [ours, ...expected] = evaluate([metric, ...gradients([metric.mean()], targets)], feeds)
      expect(disagreement(result.metric!, ours!)).toBeLessThanOrEqual(1e-5)
      names.forEach((name, i) => {
        expect(disagreement(result.gradients[name]!.data, expected[i]!), name).toBeLessThanOrEqual(1e-5)
      })
      parameters.forEach((spec, i) => {
        const own = result.gradients[spec.name]
        if (!own) return
        expect(own.shape).toEqual(spec.shape)
        const reference = publicValues(spec, Float32Array.from(expected[names.length + i]!))
        expect(disagreement(own.data, reference), spec.name).toBeLessThanOrEqual(1e-5)
      })
      expect(Object.keys(result.gradients).length).toBeGreaterThan(names.length + 10)
      expect(Object.keys(result.captures)).toEqual(['blocks.1.hook_resid_post'])
      await model.dispose()
    }
  })

  it('per-prompt answers belong to the prompts in the order given', async () => {
    const model = await open()
    const prompts = [tokenIds(model, 5), tokenIds(model, 2, 2), tokenIds(model, 4, 3)]
    const [answers, wrong] = [
      [1, 2, 3],
      [4, 5, 6],
    ]
    const { logits } = await model.run(prompts)
    const at = (prompt: number, id: number) => Number(logits!.data[prompt * 7 + id])
    const { metric } = await model.run(prompts, { metric: logitDifference(answers!, wrong!) })
    expect(
      disagreement(
        metric!,
        prompts.map((_, i) => at(i, answers![i]!) - at(i, wrong![i]!)),
      ),
    ).toBeLessThanOrEqual(1e-6)
    const chosen = await model.run(prompts, { metric: logProbability(answers!) })
    const logSum = (i: number) =>
      Math.log(Array.from({ length: 7 }, (_, id) => Math.exp(at(i, id))).reduce((a, b) => a + b))
    expect(
      disagreement(
        chosen.metric!,
        prompts.map((_, i) => at(i, answers![i]!) - logSum(i)),
      ),
    ).toBeLessThanOrEqual(1e-6)
    const losses = await model.run(prompts, { metric: loss() })
    for (const [i, prompt] of prompts.entries())
      expect(
        disagreement([losses.metric![i]!], (await model.run(prompt, { metric: loss() })).metric!),
      ).toBeLessThanOrEqual(1e-6)
    await model.dispose()
  })

  it('a metric may read what is captured, and be one number when all prompts have one length', async () => {
    const model = await open()
    const norm: MetricFunction = (_, { activation }) => activation(resid).square().sum([1, 2])
    const prompts = [tokenIds(model, 5), tokenIds(model, 3, 2)]
    const {
      metric,
      captures,
      gradients: grads,
    } = await model.run(prompts, { capture: resid, metric: norm, grad: resid })
    prompts.forEach((_, i) => {
      const values = ofPrompt(captures[resid]!, i).data as Float32Array
      expect(disagreement([metric![i]!], [values.reduce((sum, x) => sum + x * x, 0)])).toBeLessThanOrEqual(1e-6)
      const gradient = ofPrompt(grads[resid] as Activation, i).data
      expect(disagreement(gradient, values)).toBeLessThanOrEqual(1e-6) // d mean / dx = 2 x / 2 prompts
    })
    await expect(model.run(prompts, { metric: norm })).rejects.toThrow(/does not capture/)
    const even = [prompts[0]!, tokenIds(model, 5, 4)]
    const scalar = await model.run(even, { metric: (logits) => logits.get(':', -1, 0).mean() })
    const rows = await model.run(even, { metric: logit(0) })
    expect(disagreement(scalar.metric!, [(rows.metric![0]! + rows.metric![1]!) / 2])).toBeLessThanOrEqual(1e-6)
    await model.dispose()
  })

  it('a gradient of what the metric does not depend on is zero', async () => {
    const model = await open()
    const { gradients: grads } = await model.run(tokenIds(model, 4), {
      capture: resid,
      metric: (_, { activation }) => activation(resid).sum([1, 2]),
      grad: ['blocks.1.hook_mlp_out', resid, 'unembed.W_U'],
    })
    expect(new Set(grads['blocks.1.hook_mlp_out']!.data as Float32Array)).toEqual(new Set([0]))
    expect(new Set(grads['unembed.W_U']!.data as Float32Array)).toEqual(new Set([0]))
    expect(new Set(grads[resid]!.data as Float32Array)).toEqual(new Set([1]))
    await model.dispose()
  })

  it('texts are read with the start token that the tokenizer or the caller asks for', async () => {
    const tokenizer = createTokenizer(byteLevelTokenizer(), { bos_token: '<|end|>', eos_token: '<|end|>' })
    const model = await openToy(
      { ...config, d_vocab: tokenizer.vocabSize, d_vocab_out: tokenizer.vocabSize },
      { tokenizer },
    )
    const texts = ['hello world', 'hello']
    const plain = await model.run(texts, { capture: resid })
    expect(plain.captures[resid]!.lengths).toEqual(plain.prompts.map(({ ids }) => ids.length))
    expect(plain.provenance.startToken).toBe('none (none)')
    const started = await model.run(texts, {
      prependBos: true,
      edits: [{ hook: resid, kind: 'resample', from: texts }],
    })
    expect(started.prompts.map(({ ids }) => ids[0])).toEqual([0, 0])
    expect(started.provenance.startToken).toBe('<|end|> (prependBos)')
    const ids = plain.prompts.map((prompt) => prompt.ids)
    const given = await model.run(ids)
    expect(given.logits!.data).toEqual((await model.run(texts)).logits!.data)
    expect(
      disagreement(started.logits!.data, (await model.run(ids.map((list) => [0, ...list]))).logits!.data),
    ).toBeLessThanOrEqual(1e-6)
    await expect(model.run('')).rejects.toThrow(/prompt is empty/)
    await model.dispose()
  })

  it('gives logits where asked', async () => {
    const model = await open()
    const prompt = tokenIds(model, 5)
    const all = await model.run(prompt, { positions: 'all' })
    expect(all.logits).toMatchObject({ shape: [1, 5, 7], axes: ['batch', 'position', 'vocabulary'], lengths: [5] })
    const row = (p: number) => all.logits!.data.subarray(p * 7, p * 7 + 7) as Float32Array
    expect(disagreement((await model.run(prompt)).logits!.data, row(4))).toBeLessThanOrEqual(1e-6)
    const some = await model.run(prompt, { positions: [3, -5, 3] })
    expect(disagreement(some.logits!.data, [...row(3), ...row(0), ...row(3)])).toBeLessThanOrEqual(1e-6)
    const none = await model.run(prompt, { capture: resid })
    expect(none.logits).toBeUndefined()
    expect(none.captures[resid]).toMatchObject({ shape: [1, 5, 8], lengths: [5], dtype: 'float32', name: resid })
    expect(none.provenance).toMatchObject({
      model: 'toy',
      processing: [],
      dtype: 'float32',
      startToken: 'given as token ids',
    })
    await model.dispose()
  })
})

describe('nothing is silently ignored', () => {
  const one = (edit: object): RunOptions => ({ edits: [{ hook: resid, kind: 'zero', ...edit } as Edit] })
  const square = { shape: [2, 3], data: new Float32Array(6) }
  const failures: [string, RunOptions, RegExp][] = [
    [
      'an unknown hook',
      one({ hook: 'blocks.0.hook_resid_pots' }),
      /blocks.0.hook_resid_pots.*matches nothing.*Near: blocks.0.hook_resid_post/,
    ],
    ['a glob without matches', { capture: 'blocks.9.*' }, /'blocks.9.\*' matches nothing/],
    ['an unknown capture', { capture: 'hook_embedd' }, /Near: hook_embed/],
    ['an unknown gradient', { grad: 'W_E', metric: logit(0) }, /hook or weight 'W_E'.*Near: .*embed.W_E/],
    ['a gradient without a metric', { grad: 'hook_embed' }, /without a metric/],
    ['a position behind the prompt', one({ positions: [5] }), /position 5; there are 5/],
    ['a position before the prompt', one({ positions: [-6] }), /position -6/],
    ['a fraction of a position', one({ positions: [0.5] }), /position 0.5/],
    ['an empty list of positions', one({ positions: [] }), /empty list of positions/],
    ['an empty list of heads', one({ hook: z, heads: [] }), /empty list of heads/],
    ['an empty list of edits', { edits: { [resid]: [] } }, /is empty/],
    ['a head too many', one({ hook: z, heads: [2] }), /head 2; there are 2/],
    ['heads where there are none', one({ heads: [0] }), /names heads/],
    ['keys where there are none', one({ hook: z, keys: [0] }), /names keys/],
    ['neurons of attention', one({ hook: pattern, neurons: [0] }), /names neurons/],
    ['a key too many', one({ hook: pattern, keys: [5] }), /key position 5/],
    ['a neuron too many', one({ neurons: [8] }), /index 8; there are 8/],
    ['a value of another size', one({ kind: 'replace', value: [1, 2, 3] }), /shape \[3\]/],
    ['a value of another shape', one({ kind: 'add', value: square }), /shape \[2, 3\]/],
    [
      'a value that does not fill its shape',
      one({ kind: 'add', value: { shape: [8], data: new Float32Array(7) } }),
      /7 elements/,
    ],
    ['a direction of another size', one({ kind: 'project_out', direction: [1, 0] }), /direction has 2 entries/],
    ['a zero direction', one({ kind: 'project_out', direction: new Array(8).fill(0) }), /direction is zero/],
    ['a clamp without bounds', one({ kind: 'clamp' }), /neither min nor max/],
    ['an unknown kind', one({ kind: 'nought' }), /kind 'nought'/],
    ['a source of another length', one({ kind: 'resample', from: [1, 2, 3] }), /prompt of 3 tokens/],
    ['a source of one token', one({ kind: 'resample', from: [1] }), /prompt of 1 tokens/],
    [
      'two sources for one prompt',
      one({
        kind: 'resample',
        from: [
          [1, 2, 3, 4, 5],
          [2, 2, 2, 2, 2],
        ],
      }),
      /2 source prompts for 1/,
    ],
    [
      'a mean per position of another length',
      one({ kind: 'mean', per: 'position', prompts: [[1, 2]] }),
      /prompt of 2 tokens/,
    ],
    [
      'a mean per position of unequal prompts',
      one({ kind: 'mean', per: 'position', prompts: [[1, 2], [3]] }),
      /prompts of one length/,
    ],
    ['a traced edit of another shape', { edits: { [resid]: (x) => x.get(':', 0) } }, /returned float32 \[1, 8\]/],
    ['a traced edit of another dtype', { edits: { [resid]: (x) => x.cast('float64') } }, /returned float64/],
    ['a traced edit without a result', { edits: { [resid]: (() => undefined) as never } }, /returned no tensor/],
    ['a metric of another shape', { metric: (logits) => logits.get(':', -1) }, /returned shape \[1, 7\]/],
    ['a metric without a result', { metric: (() => undefined) as never }, /returned no tensor/],
    ['an answer outside the vocabulary', { metric: logit(7) }, /answer token 7/],
    ['an answer counted from the end', { metric: logit(-1) }, /answer token -1/],
    ['too few answers', { metric: logit([]) }, /none for prompt 0/],
    ['logits behind the prompt', { positions: [5] }, /5/],
    ['no positions of logits', { positions: [] }, /empty/],
  ]
  it.each(failures)('%s', async (_, options, message) => {
    const model = await open()
    await expect(model.run(tokenIds(model, 5), options)).rejects.toThrow(message)
    await model.dispose()
  })

  it('prompts that the model cannot read', async () => {
    const model = await open()
    await expect(model.run([])).rejects.toThrow(/No prompts/)
    await expect(model.run([[1], []])).rejects.toThrow(/empty list/)
    await expect(model.run(tokenIds(model, 25))).rejects.toThrow(/25 tokens; this model's context is 24/)
    await expect(model.run([1, 7])).rejects.toThrow(/id 7 is outside the vocabulary/)
    await expect(model.run([1, -1])).rejects.toThrow(/id -1/)
    await expect(model.run('text')).rejects.toThrow(/no tokenizer.json/)
    await expect(model.run([tokenIds(model, 5), [1]], { metric: loss() })).rejects.toThrow(/at least two tokens/)
    await expect(model.run([tokenIds(model, 5), [1, 2]], one({ positions: [3] }))).rejects.toThrow(
      /position 3; there are 2/,
    )
    await expect(model.run([[1, 2], [3, 4], [1]], { metric: (logits) => logits.sum() })).rejects.toThrow(/same length/)
    await model.dispose()
  })

  it('a signal that is aborted before, and one that is aborted meanwhile', async () => {
    const model = await open()
    const controller = new AbortController()
    const work = model.run(tokenIds(model, 5), { signal: controller.signal, ...one({ kind: 'freeze' }) })
    controller.abort()
    await expect(work).rejects.toThrow()
    await expect(model.run(tokenIds(model, 5), { signal: controller.signal })).rejects.toThrow()
    expect((await model.run(tokenIds(model, 5))).logits!.shape).toEqual([1, 1, 7])
    await model.dispose()
  })
})
