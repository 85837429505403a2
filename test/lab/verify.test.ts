import { verificationTokens, verifyModel } from 'diopter'
import { describe, expect, it } from 'vitest'
import { toyFamilies } from '../support/families.ts'
import { openToy, toyForms } from '../support/toy-model.ts'

describe.each(toyFamilies)('verification of %s', (_, open) => {
  it('holds against itself, in every check', async () => {
    const model = await open()
    const { ok, against, checks } = await verifyModel(model)
    expect(checks.filter((check) => !check.ok)).toEqual([])
    expect({ ok, against }).toEqual({ ok: true, against: 'self' })
    for (const { name, elements } of checks) expect(elements, name).toBeGreaterThan(0)
    await model.dispose()
  })
})

describe('verification against other numbers', () => {
  it('compares what is given, and counts what is off', async () => {
    const model = await openToy(toyForms.shortformer!)
    const tokens = verificationTokens(model.config)
    const { logits } = await model.run(tokens, { positions: 'all' })
    const shape = logits!.shape
    const same = Float32Array.from(logits!.data as Float32Array)
    const off = same.with(5, same[5]! + 2e-4 * Math.max(1, Math.abs(same[5]!)))
    const verify = (data: ArrayLike<number>) =>
      verifyModel(model, { tokens, expected: new Map([['logits', { shape, data }]]) })
    expect(await verify(same)).toMatchObject({
      ok: true,
      against: 'reference',
      maxAbsLogits: 0,
      maxAbsHiddenStates: null,
    })
    const { ok, checks } = await verify(off)
    expect({ ok, outside: checks.map(({ outside }) => outside).filter((n) => n > 0) }).toEqual({
      ok: false,
      outside: [1],
    })
    await expect(
      verifyModel(model, { tokens, expected: new Map([['logits', { shape: [1, 2, 7], data: same }]]) }),
    ).rejects.toThrow('The expected logits have shape [1, 2, 7]; for these tokens this model gives [2, 12, 7].')
    await expect(
      verifyModel(model, { tokens, expected: new Map([['loss', { shape: [1], data: [0] }]]) }),
    ).rejects.toThrow('none of logits, hidden_states, attentions is given, only loss')
    await expect(verifyModel(model, { tokens: [[1, 2], [3]] })).rejects.toThrow('needs prompts of one length')
    await model.dispose()
  })
})
