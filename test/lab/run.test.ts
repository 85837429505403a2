import {
  type Activation,
  type Edit,
  type EditFunction,
  type Edits,
  logit,
  logitDifference,
  logProbability,
  loss,
  type MetricFunction,
  ofPrompt,
  type RunOptions,
  tensor,
} from 'diopter'
import { describe, expect, it } from 'vitest'
import { gradients } from '../../src/autodiff/index.ts'
import type { Model } from '../../src/lab/model.ts'
import { publicParameters, publicValues, traceModel } from '../../src/models/index.ts'
import { evaluate } from '../support/evaluate.ts'
import { disagreement, tokenIds } from '../support/families.ts'
import { recordingForward, storedOf } from '../support/reference.ts'
import { openToy, toyForms, toyValues } from '../support/toy-model.ts'

const config = toyForms['grouped queries, gated, rotary']!
const open = () => openToy(config)

/** Where an element of an activation stands. */
interface Place {
  readonly prompt: number
  readonly length: number
  readonly position: number
  readonly head: number
  readonly key: number
  /** Place in the last axis. */
  readonly last: number
}

/** One prompt's part of an activation, element by element through a plain function. */
function changed(activation: Activation, prompt: number, change: (x: number, place: Place) => number): Float32Array {
  const { shape, data } = ofPrompt(activation, prompt)
  const axes = activation.axes.slice(1)
  return Float32Array.from(data as Float32Array, (x, flat) => {
    let rest = flat
    const at: Record<string, number> = {}
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at[axes[axis]!] = rest % shape[axis]!
      rest = Math.floor(rest / shape[axis]!)
    }
    return change(x, {
      prompt,
      length: activation.lengths[prompt]!,
      position: at.position ?? at.query!,
      head: at.head ?? 0,
      key: at.key ?? 0,
      last: flat % shape.at(-1)!,
    })
  })
}

/**
 * Runs with the edits and holds the activation against the unedited one changed by hand, and the logits against a run in
 * which these numbers are simply put in place.
 */
async function changes(
  model: Model,
  hook: string,
  edits: Edits,
  change: (x: number, place: Place) => number,
  prompts: readonly (readonly number[])[] = [tokenIds(model, 5), tokenIds(model, 3, 2), tokenIds(model, 5, 3)],
): Promise<void> {
  const plain = await model.run(prompts, { capture: hook })
  const edited = await model.run(prompts, { capture: hook, edits, positions: 'all' })
  const expected = prompts.map((_, i) => changed(plain.captures[hook]!, i, change))
  const put: EditFunction = (x, { prompts: rows }) =>
    tensor(Float32Array.from(rows.flatMap((row) => [...expected[row]!])), x.shape)
  const placed = await model.run(prompts, { edits: { [hook]: put }, positions: 'all' })
  prompts.forEach((_, i) => {
    expect(disagreement(ofPrompt(edited.captures[hook]!, i).data, expected[i]!)).toBeLessThanOrEqual(1e-6)
    expect(disagreement(ofPrompt(edited.logits!, i).data, ofPrompt(placed.logits!, i).data)).toBeLessThanOrEqual(1e-5)
  })
  expect(edited.edits.every(({ fired }) => fired > 0)).toBe(true)
}

const resid = 'blocks.0.hook_resid_post'
const z = 'blocks.1.attn.hook_z'
const pattern = 'blocks.0.attn.hook_pattern'
const post = 'blocks.1.mlp.hook_post'
const wave = (n: number) => Array.from({ length: n }, (_, i) => Math.sin(3 * i + 1))

describe('declarative edits', () => {
  const cases: [string, Edit, (x: number, place: Place) => number][] = [
    ['zero', { hook: resid, kind: 'zero' }, () => 0],
    [
      'zero at the last position',
      { hook: resid, kind: 'zero', positions: [-1] },
      (x, { position, length }) => (position === length - 1 ? 0 : x),
    ],
    [
      'zero a head at positions',
      { hook: z, kind: 'zero', heads: [1], positions: [0, 2] },
      (x, { head, position }) => (head === 1 && position % 2 === 0 && position < 3 ? 0 : x),
    ],
    ['zero a head counted from the end', { hook: z, kind: 'zero', heads: [-2] }, (x, { head }) => (head === 0 ? 0 : x)],
    [
      'zero neurons',
      { hook: post, kind: 'zero', neurons: [0, -1] },
      (x, { last }) => (last === 0 || last === 11 ? 0 : x),
    ],
    [
      'zero keys of some queries',
      { hook: pattern, kind: 'zero', keys: [0], positions: [1, -1], heads: [0] },
      (x, { head, key, position, length }) =>
        head === 0 && key === 0 && (position === 1 || position === length - 1) ? 0 : x,
    ],
    [
      'replace by a number',
      { hook: resid, kind: 'replace', value: 0.5, positions: [1] },
      (x, { position }) => (position === 1 ? 0.5 : x),
    ],
    ['replace by a vector', { hook: post, kind: 'replace', value: wave(12) }, (_, { last }) => Math.sin(3 * last + 1)],
    [
      'replace by an array of doubles',
      { hook: z, kind: 'replace', value: { shape: [2, 1], data: Float64Array.of(1, 2) } },
      (_, { head }) => head + 1,
    ],
    ['add', { hook: resid, kind: 'add', value: wave(8) }, (x, { last }) => x + Math.sin(3 * last + 1)],
    [
      'add with a factor',
      { hook: resid, kind: 'add', value: wave(8), factor: -2, neurons: [3] },
      (x, { last }) => (last === 3 ? x - 2 * Math.sin(10) : x),
    ],
    ['scale', { hook: z, kind: 'scale', factor: -1.5, neurons: [1] }, (x, { last }) => (last === 1 ? -1.5 * x : x)],
    ['clamp below', { hook: post, kind: 'clamp', min: 0 }, (x) => Math.max(0, x)],
    [
      'clamp both',
      { hook: resid, kind: 'clamp', min: -0.25, max: 0.5, positions: [0] },
      (x, { position }) => (position === 0 ? Math.min(0.5, Math.max(-0.25, x)) : x),
    ],
    ['freeze alone', { hook: resid, kind: 'freeze' }, (x) => x],
  ]
  it.each(cases)('%s', async (_, edit, change) => {
    const model = await open()
    await changes(model, edit.hook, [edit], change)
    const { hook, ...inPlace } = edit
    await changes(model, hook, { [hook]: inPlace }, change)
    await model.dispose()
  })

  it('project_out leaves nothing along the direction, and the rest alone', async () => {
    const model = await open()
    const prompts = [tokenIds(model, 5), tokenIds(model, 3, 2)]
    const { captures } = await model.run(prompts, { capture: resid })
    const direction = wave(8)
    const square = direction.reduce((sum, d) => sum + d * d, 0)
    const along = (prompt: number, position: number) => {
      const row = ofPrompt(captures[resid]!, prompt).data.subarray(position * 8, position * 8 + 8) as Float32Array
      return row.reduce((sum, x, i) => sum + x * direction[i]!, 0) / square
    }
    const project: Edit = { hook: resid, kind: 'project_out', direction }
    await changes(
      model,
      resid,
      [project],
      (x, { prompt, position, last }) => x - along(prompt, position) * direction[last]!,
      prompts,
    )
    await model.dispose()
  })

  it('mean: over the run, over other prompts, per position', async () => {
    const model = await open()
    const prompts = [tokenIds(model, 5), tokenIds(model, 3, 2), tokenIds(model, 5, 3)]
    const meanOf = async (
      sources: readonly (readonly number[])[],
      hook: string,
      same: (a: Place, b: Place) => boolean,
    ) => {
      const { captures } = await model.run(sources, { capture: hook })
      const all: { x: number; place: Place }[] = []
      sources.forEach((_, i) => {
        changed(captures[hook]!, i, (x, place) => {
          all.push({ x, place })
          return x
        })
      })
      return (place: Place) => {
        const alike = all.filter((other) => same(other.place, place))
        return alike.reduce((sum, { x }) => sum + x, 0) / alike.length
      }
    }
    const sameFeature = (a: Place, b: Place) => a.last === b.last && a.head === b.head
    const own = await meanOf(prompts, z, sameFeature)
    await changes(model, z, [{ hook: z, kind: 'mean' }], (_, place) => own(place), prompts)
    const others = [tokenIds(model, 2, 8), tokenIds(model, 6, 9)]
    const other = await meanOf(others, resid, sameFeature)
    await changes(
      model,
      resid,
      [{ hook: resid, kind: 'mean', prompts: others, positions: [-1] }],
      (x, place) => (place.position === place.length - 1 ? other(place) : x),
      prompts,
    )
    const even = [tokenIds(model, 4, 8), tokenIds(model, 4, 9)]
    const perPosition = await meanOf(even, resid, (a, b) => sameFeature(a, b) && a.position === b.position)
    await changes(
      model,
      resid,
      [{ hook: resid, kind: 'mean', prompts: even, per: 'position' }],
      (_, place) => perPosition(place),
      [tokenIds(model, 4), tokenIds(model, 4, 2)],
    )
    const ofPattern = await meanOf(
      even,
      pattern,
      (a, b) => a.head === b.head && a.key === b.key && a.position === b.position,
    )
    await changes(model, pattern, [{ hook: pattern, kind: 'mean', prompts: even }], (_, place) => ofPattern(place), [
      tokenIds(model, 4),
    ])
    await model.dispose()
  })

  it('resample: one prompt for all, or one for each, whatever the order of lengths', async () => {
    const model = await open()
    const each = [tokenIds(model, 5, 6), tokenIds(model, 3, 7), tokenIds(model, 5, 8)]
    const prompts = [tokenIds(model, 5), tokenIds(model, 3, 2), tokenIds(model, 5, 3)]
    for (const hook of [resid, z, pattern, 'blocks.0.attn.hook_k']) {
      const { captures } = await model.run(each, { capture: hook })
      const values = (prompt: number) => {
        const flat = [...(ofPrompt(captures[hook]!, prompt).data as Float32Array)]
        return () => flat.shift()!
      }
      const next = each.map((_, i) => values(i))
      await changes(model, hook, [{ hook, kind: 'resample', from: each }], (_, { prompt }) => next[prompt]!(), prompts)
      const same = [prompts[0]!, prompts[2]!]
      const single = same.map(() => values(2))
      await changes(
        model,
        hook,
        [{ hook, kind: 'resample', from: each[2]! }],
        (_, { prompt }) => single[prompt]!(),
        same,
      )
    }
    await model.dispose()
  })

  it('freeze holds under an edit upstream', async () => {
    const model = await open()
    const prompts = [tokenIds(model, 5), tokenIds(model, 3, 2)]
    const plain = await model.run(prompts, { capture: [z, 'blocks.1.hook_resid_post'] })
    const upstream = { hook: 'hook_embed', kind: 'scale', factor: 0.5 } as const
    const edited = await model.run(prompts, {
      capture: [z, 'blocks.1.hook_resid_post'],
      edits: [upstream, { hook: z, kind: 'freeze', heads: [1], positions: [0, -1] }],
    })
    const scaled = await model.run(prompts, { capture: z, edits: [upstream] })
    for (const [i] of prompts.entries()) {
      const kept = ofPrompt(plain.captures[z]!, i).data
      const expected = changed(scaled.captures[z]!, i, (x) => x)
      changed(scaled.captures[z]!, i, (x, { position, length, head, last }) => {
        const flat = (position * 2 + head) * 4 + last
        if (head === 1 && (position === 0 || position === length - 1)) expected[flat] = Number(kept[flat])
        return x
      })
      expect(disagreement(ofPrompt(edited.captures[z]!, i).data, expected)).toBeLessThanOrEqual(1e-6)
    }
    await model.dispose()
  })

  it('globs edit every hook that they match, and edits of one hook act in their order', async () => {
    const model = await open()
    const prompt = tokenIds(model, 5)
    const { captures, edits } = await model.run(prompt, {
      capture: 'blocks.*.hook_mlp_out',
      edits: { 'blocks.*.hook_mlp_out': [{ kind: 'replace', value: 1 }, (x) => x.mul(3), { kind: 'add', value: 1 }] },
    })
    for (const { data } of Object.values(captures)) expect(new Set(data as Float32Array)).toEqual(new Set([4]))
    expect(edits.map(({ kind, fired, hooks }) => [kind, fired, hooks.length])).toEqual([
      ['replace', 2, 2],
      ['function', 2, 2],
      ['add', 2, 2],
    ])
    const other = await model.run(prompt, {
      capture: resid,
      edits: [
        { hook: resid, kind: 'add', value: 1 },
        { hook: resid, kind: 'replace', value: 1 },
      ],
    })
    expect(new Set(other.captures[resid]!.data as Float32Array)).toEqual(new Set([1]))
    await model.dispose()
  })

  it('other values, positions and heads compile nothing, and models of one engine do not mix', async () => {
    const model = await open()
    const twin = await openToy(config, { engine: model.engine, seed: 77 })
    const run = (target: Model, seed: number) =>
      target.run(tokenIds(model, 6, seed), {
        capture: resid,
        residency: 'inputs',
        edits: [
          { hook: 'hook_embed', kind: 'add', value: wave(8).map((x) => x * seed), positions: [seed, -seed] },
          { hook: 'blocks.0.attn.hook_z', kind: 'scale', factor: seed, heads: [seed % 2], neurons: [seed, 0] },
          { hook: 'blocks.0.hook_mlp_out', kind: 'clamp', min: -seed },
          { hook: 'blocks.0.attn.hook_pattern', kind: 'replace', value: 1 / seed, keys: [seed], positions: [-1] },
        ],
        metric: logitDifference(seed, 6 - seed),
        grad: 'hook_embed',
      })
    const first = await run(model, 1)
    expect(model.engine.statistics.compiles).toBe(1)
    const second = await run(twin, 1)
    await run(model, 2)
    await run(model, 3)
    expect(model.engine.statistics.compiles).toBe(1)
    expect((await run(model, 1)).captures[resid]!.data).toEqual(first.captures[resid]!.data)
    expect((await run(twin, 1)).captures[resid]!.data).toEqual(second.captures[resid]!.data)
    expect(disagreement(first.captures[resid]!.data, second.captures[resid]!.data)).toBeGreaterThan(0.01)
    const alone = await openToy(config, { seed: 77 })
    expect((await run(alone, 1)).captures[resid]!.data).toEqual(second.captures[resid]!.data)
    for (const residency of ['resident', 'resident', 'auto'] as const) {
      const [a, b] = await Promise.all([model, twin].map((one) => one.run([1, 2, 3], { residency })))
      const plain = await alone.run([1, 2, 3], { residency: 'inputs' })
      expect(disagreement(b!.logits!.data, plain.logits!.data)).toBeLessThanOrEqual(1e-5)
      expect(disagreement(a!.logits!.data, plain.logits!.data)).toBeGreaterThan(0.01)
    }
    await alone.dispose()
    await model.dispose()
  })
})

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
