import { type Activation, type Edit, type EditFunction, type Edits, logitDifference, ofPrompt, tensor } from 'diopter'
import { describe, expect, it } from 'vitest'
import type { Model } from '../../src/lab/model.ts'
import { disagreement, tokenIds } from '../support/families.ts'
import { openToy, toyForms } from '../support/toy-model.ts'

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
