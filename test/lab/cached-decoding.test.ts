import { type Activation, type EditFunction, type GenerateOptions, ofPrompt, tensor } from 'diopter'
import { describe, expect, it } from 'vitest'
import type { Model } from '../../src/lab/model.ts'
import { disagreement, families, tokenIds, toyFamilies } from '../support/families.ts'
import { hasReferences } from '../support/reference.ts'
import { openToy, toyForms } from '../support/toy-model.ts'

const toy = (own: object = {}) => ({ ...toyForms['grouped queries, gated, rotary']!, ...own })
const note = hasReferences ? '' : ' (toys only: no ../shared/reference)'

/** Generates with everything captured, and holds every step against one run over all tokens with the same edits. */
async function holdsAgainstFullRun(
  model: Model,
  prompts: readonly (readonly number[])[],
  options: Omit<GenerateOptions, 'capture'>,
  fullEdits: (length: number, read: number) => GenerateOptions['edits'] = () => options.edits,
): Promise<void> {
  const { continuations, captures } = await model.generate(prompts, { ...options, stopAtSpecial: false, capture: '*' })
  for (const [i, prompt] of prompts.entries()) {
    const { ids } = continuations[i]!
    expect(ids).toHaveLength(options.tokens)
    const read = [...prompt, ...ids.slice(0, -1)]
    const full = await model.run(read, {
      capture: '*',
      positions: 'all',
      edits: fullEdits(prompt.length, read.length),
    })
    // greedy: every new token is the most likely one of the full run
    const vocabulary = model.config.d_vocab_out
    ids.forEach((id, step) => {
      const row = full.logits!.data.subarray(
        (prompt.length - 1 + step) * vocabulary,
        (prompt.length + step) * vocabulary,
      )
      expect(Number(row[id])).toBeGreaterThanOrEqual(Math.max(...Array.from(row as Float32Array)) - 1e-4)
    })
    for (const hook of model.hookNames) {
      const [first, ...steps] = captures[hook]!
      expect(steps).toHaveLength(ids.length - 1)
      for (const [step, activation] of [first!, ...steps].entries()) {
        const from = step === 0 ? 0 : prompt.length + step - 1
        const to = prompt.length + step
        const part = ofPrompt(activation, i)
        const expected = rowsOf(full.captures[hook]!, from, to)
        expect(disagreement(part.data, expected), `${hook}, step ${step}`).toBeLessThanOrEqual(1e-5)
      }
    }
  }
}

/** Positions from..to-1 of a single prompt's activation; of attention those queries, with the keys up to `to`. */
function rowsOf({ shape, data, axes }: Activation, from: number, to: number): number[] {
  const values = Array.from(data as Float32Array)
  if (axes[2] !== 'query') {
    const size = values.length / shape[1]!
    return values.slice(from * size, to * size)
  }
  const [, heads, length] = shape as [number, number, number, number]
  const rows: number[] = []
  for (let head = 0; head < heads; head++)
    for (let query = from; query < to; query++) {
      const start = (head * length + query) * length
      rows.push(...values.slice(start, start + to))
    }
  return rows
}

describe.each(families)(`cached decoding equals a full run${note}: %s`, (_, open) => {
  it('greedy, unequal prompts, captures of every step', async () => {
    const model = await open()
    await holdsAgainstFullRun(model, [tokenIds(model, 6), tokenIds(model, 3, 2), tokenIds(model, 1, 3)], { tokens: 9 })
    await model.dispose()
  })

  it('edits at every step, by absolute position, traced and declarative', async () => {
    const model = await open()
    const prompts = [tokenIds(model, 5), tokenIds(model, 3, 2)]
    const late: EditFunction = (x, { positions }) => positions.greater(3).unsqueeze(2).where(x.mul(0.5), x)
    const firstKeys: EditFunction = (x) => x.at(':', ':', ':', 0).mul(0.5).at(':', 0, ':', 1).add(0.1)
    await holdsAgainstFullRun(model, prompts, {
      tokens: 6,
      edits: {
        'blocks.0.hook_resid_post': late,
        'blocks.*.attn.hook_z': [
          { kind: 'scale', factor: 0.5, heads: [1], positions: [2, 6, 7] },
          { kind: 'add', value: 0.25, neurons: [0, -1] },
        ],
        'blocks.0.attn.hook_pattern': [
          { kind: 'replace', value: 0.5, keys: [0, 1], heads: [0] },
          { kind: 'add', value: 0.25, keys: [6], positions: [6] },
        ],
        'blocks.1.attn.hook_pattern': firstKeys,
        'blocks.1.hook_attn_out': { kind: 'mean', prompts: [tokenIds(model, 4, 5)] },
        'blocks.1.hook_resid_pre': { kind: 'clamp', min: -2, max: 2 },
      },
    })
    await model.dispose()
  })
})

describe.each(toyFamilies)('cached decoding equals a full run: %s', (_, open) => {
  it('position -1 is the newest token', async () => {
    const model = await open()
    const edit = (positions: readonly number[]) =>
      [{ hook: 'blocks.0.hook_resid_post', kind: 'scale', factor: 0.5, positions }] as const
    const edits = edit([-1])
    await holdsAgainstFullRun(
      model,
      [tokenIds(model, 4), tokenIds(model, 2, 2)],
      { tokens: 5, edits },
      (length, read) => edit(Array.from({ length: read - length + 1 }, (_, i) => length - 1 + i)),
    )
    await model.dispose()
  })
})

describe('decoding', () => {
  it('grows the cache without changing a number', async () => {
    const model = await openToy(toy({ n_ctx: 4096 }))
    const prompt = tokenIds(model, 1015)
    const { continuations, cache } = await model.generate([prompt], { tokens: 30 })
    expect(cache.capacity).toBe(2048)
    expect(cache.length).toBe(1015 + 29)
    const read = [...prompt, ...continuations[0]!.ids.slice(0, -1)]
    const { captures } = await model.run(read, { capture: 'blocks.1.attn.hook_rot_k' })
    const keys = captures['blocks.1.attn.hook_rot_k']!.data // [1, P, 1 head, dh]
    const cached = cache.layers[1]!.k.subarray(0, cache.length * model.config.d_head)
    expect(disagreement(cached, keys as Float32Array)).toBeLessThanOrEqual(1e-5)
    const shorter = await model.generate([prompt], { tokens: 9 })
    expect(shorter.cache.capacity).toBe(1024)
    expect(continuations[0]!.ids.slice(0, 9)).toEqual(shorter.continuations[0]!.ids)
    await model.dispose()
  })

  it('compiles once, whatever the tokens, their number and the values of edits', async () => {
    const model = await openToy(toy())
    const compiles = () => model.engine.statistics.compiles
    const generate = (seed: number, factor: number, position: number) =>
      model.generate([tokenIds(model, 4, seed)], {
        tokens: 12,
        edits: [{ hook: 'blocks.0.hook_resid_pre', kind: 'scale', factor, positions: [position] }],
      })
    await generate(1, 0.5, 2)
    // the prompt, a step with weights as inputs, and the same step with resident weights from its fourth run on
    expect(compiles()).toBe(3)
    await generate(2, 0.25, 7)
    await generate(3, -1, 0)
    expect(compiles()).toBe(3)
    await model.dispose()
  })

  it('a batch of prompts stops each prompt at the end of its own context', async () => {
    const model = await openToy(toy({ positional_embedding_type: 'standard', rotary_dim: 0, n_ctx: 10 }))
    const prompts = [tokenIds(model, 9), tokenIds(model, 4, 2)]
    const batch = await model.generate(prompts, { tokens: 40 })
    for (const [i, prompt] of prompts.entries()) {
      const single = await model.generate([prompt], { tokens: 40 })
      expect(single.continuations[0]!.stoppedBy).toBe('context')
      expect(single.continuations[0]!.ids).toHaveLength(11 - prompt.length)
      expect(batch.continuations[i]!.ids).toEqual(single.continuations[0]!.ids)
      expect(batch.continuations[i]!.stoppedBy).toBe('context')
    }
    await model.dispose()
  })

  it('keeps what is done when it is aborted', async () => {
    const model = await openToy(toy())
    const controller = new AbortController()
    let seen = 0
    const { continuations } = await model.generate([tokenIds(model, 3)], {
      tokens: 20,
      signal: controller.signal,
      onToken: () => {
        if (++seen === 4) controller.abort()
      },
    })
    expect(continuations[0]).toMatchObject({ stoppedBy: 'cancelled', text: null })
    expect(continuations[0]!.ids).toHaveLength(4)
    await expect(model.generate([[1]], { tokens: 2, signal: controller.signal })).rejects.toThrow()
    await model.dispose()
  })

  it('several continuations at the same time do not mix', async () => {
    const model = await openToy(toy())
    const generate = (seed: number) =>
      model.generate([tokenIds(model, 3 + seed, seed)], { tokens: 8, capture: 'unembed.hook_out' })
    const alone = [await generate(1), await generate(2), await generate(3)]
    const together = await Promise.all([1, 2, 3].map(generate))
    together.forEach(({ continuations, captures }, i) => {
      expect(continuations[0]!.ids).toEqual(alone[i]!.continuations[0]!.ids)
      const [last, own] = [captures, alone[i]!.captures].map((each) => each['unembed.hook_out']!.at(-1)!.data)
      expect(disagreement(last!, own!)).toBeLessThanOrEqual(1e-5)
    })
    await model.dispose()
  })

  it('counts how often an edit fired, and refuses one that no token reaches', async () => {
    const model = await openToy(toy())
    const edit = (positions?: number[]) => [{ hook: 'blocks.1.hook_mlp_out', kind: 'zero', positions } as const]
    const fired = async (positions?: number[]) =>
      (await model.generate([tokenIds(model, 3)], { tokens: 5, edits: edit(positions) })).edits[0]!.fired
    expect(await fired()).toBe(5)
    expect(await fired([1])).toBe(1)
    expect(await fired([4, 6])).toBe(2)
    expect(await fired([-1])).toBe(5)
    await expect(fired([7])).rejects.toThrow(/positions 7; at most 7 tokens/)
    await model.dispose()
  })

  it('holds a prompt at given activations, and refuses to invent them for new tokens', async () => {
    const model = await openToy(toy())
    const [prompt, other] = [tokenIds(model, 4), tokenIds(model, 4, 3)]
    for (const hook of ['blocks.0.hook_resid_post', 'blocks.0.attn.hook_pattern', 'blocks.1.attn.hook_k']) {
      const edits = [{ hook, kind: 'resample', from: other, positions: [1, 3] }] as const
      await holdsAgainstResampled(model, prompt, other, hook)
      const everywhere = [{ hook, kind: 'resample', from: other }] as const
      await expect(model.generate([prompt], { tokens: 3, edits: everywhere })).rejects.toThrow(/none for new tokens/)
      await expect(
        model.generate([prompt], { tokens: 3, edits: [{ ...edits[0], positions: [1, 4] }] }),
      ).rejects.toThrow(/none for new tokens/)
      const one = [{ hook, kind: 'freeze' }] as const
      await expect(model.generate([[2]], { tokens: 3, edits: one })).rejects.toThrow(/none for new tokens/)
    }
    await model.dispose()
  })
})

/** The same continuation as with a traced edit that puts the other prompt's values in, position by position. */
async function holdsAgainstResampled(
  model: Model,
  prompt: readonly number[],
  other: readonly number[],
  hook: string,
): Promise<void> {
  const tokens = 4
  const generated = await model.generate([prompt], {
    tokens,
    edits: [{ hook, kind: 'resample', from: other, positions: [1, 3] }],
    capture: 'unembed.hook_out',
  })
  const read = [...prompt, ...generated.continuations[0]!.ids.slice(0, -1)]
  const { captures } = await model.run(other, { capture: hook })
  const { shape, data } = captures[hook]!
  const attention = shape.length === 4 && shape[2] === shape[3]
  const size = data.length / shape[1]! / (attention ? shape[2]! : 1)
  const full = await model.run(read, {
    positions: 'all',
    edits: {
      [hook]: (x) =>
        [1, 3].reduce((changed, position) => {
          if (!attention) {
            const values = Array.from(data.subarray(position * size, (position + 1) * size) as Float32Array)
            return changed.at(0, position).set(tensor(values, shape.slice(2)))
          }
          return Array.from({ length: shape[1]! }, (_, head) => head).reduce((y, head) => {
            const start = (head * shape[2]! + position) * shape[3]!
            const row = Array.from(data.subarray(start, start + shape[3]!) as Float32Array)
            return y.at(0, head, position, `0:${row.length}`).set(tensor(row))
          }, changed)
        }, x),
    },
  })
  const vocabulary = model.config.d_vocab_out
  const last = generated.captures['unembed.hook_out']!.at(-1)!.data
  expect(disagreement(last, full.logits!.data.subarray(-vocabulary))).toBeLessThanOrEqual(1e-5)
}
