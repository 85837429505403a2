import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Model } from '../../lab/index.ts'
import { loadModel } from '../../lab/node/load-model.ts'
import type { PromptPair } from '../../train/templates/index.ts'
import { scorePairs } from './score-pairs.ts'

const folder = '../shared/checkpoints/stories260K'

describe.skipIf(!existsSync(folder))('scorePairs on stories260K (needs ../shared)', () => {
  let model: Model
  beforeAll(async () => {
    model = await loadModel(folder)
  })
  afterAll(() => model.dispose())

  const girl = 'Once upon a time, there was a little girl named Lily.'
  const boy = 'Once upon a time, there was a little boy named Tim.'
  /** After the clean prompt she, after the corrupted one he. */
  const she: PromptPair = { clean: girl, corrupt: boy, answer: ' She', wrong: ' He' }
  const he: PromptPair = { clean: boy, corrupt: girl, answer: ' He', wrong: ' She' }

  test('counts what is solved, and what turns with the prompt', async () => {
    const wrongWay: PromptPair = { ...she, answer: ' He', wrong: ' She' }
    // The corrupted prompt is about a girl as well: the preference stays.
    const unchanged: PromptPair = { ...she, corrupt: girl.replace('little', 'big') }
    const score = await scorePairs(model, [she, he, wrongWay, unchanged])
    expect(score).toMatchObject({ pairs: 4, solved: 3 / 4, turned: 2 / 4 })
    expect(score.clean[2]).toBeCloseTo(-score.clean[0]!, 4)
    expect(score.clean[1]).toBeCloseTo(-score.corrupt[0]!, 4)
  })

  test('equals the logits of single runs, over several batches', async () => {
    const pairs = Array.from({ length: 35 }, (_, i) => ({
      ...(i % 2 ? she : he),
      corrupt: `${boy} He`.repeat(1 + (i % 3)),
    }))
    const done: number[] = []
    const score = await scorePairs(model, pairs, { onProgress: (progress) => done.push(progress.done) })
    expect(done).toEqual([0, 32, 35])
    for (const i of [0, 34]) {
      const { logits } = await model.run(pairs[i]!.corrupt)
      const of = (token: string) => logits!.data[model.tokenizer!.tokenId(token)]! as number
      expect(score.corrupt[i]).toBeCloseTo(of(pairs[i]!.answer) - of(pairs[i]!.wrong), 3)
    }
  })

  test('refuses answers of several tokens and no pairs; stops when told to', async () => {
    await expect(scorePairs(model, [{ ...she, answer: ' Elizabeth' }])).rejects.toThrow('One is needed')
    await expect(scorePairs(model, [])).rejects.toThrow('no prompt pairs')
    await expect(scorePairs(model, [she], { signal: AbortSignal.abort(new Error('stop')) })).rejects.toThrow('stop')
  })
})
