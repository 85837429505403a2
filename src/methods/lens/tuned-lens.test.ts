import { existsSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { openCompiled } from '../../lab/index.ts'
import { loadModel } from '../../lab/node/load-model.ts'
import { compileModel } from '../../models/compiled/index.ts'
import { type TunedLensOptions, trainedLens, tunedLens } from './tuned-lens.ts'
import { ActivationPool } from './tuned-lens-activations.ts'
import { readLens, saveLens } from './tuned-lens-translators.ts'

const backend = createNodeBackend({ threads: 1 })
afterAll(() => backend.dispose())

async function turned(mislead: number) {
  const compiled = compileModel('rotated-basis', { seed: 11, mislead })
  return { compiled, model: await openCompiled(compiled, backend), texts: compiled.inputs(400) }
}

/** Enough for these small models. */
const FIT: TunedLensOptions = { steps: 200, tokensPerStep: 256, learningRate: 0.01 }

describe('tuned lens', () => {
  it('a turned basis breaks the logit lens and not the tuned one; its twin breaks neither', async () => {
    for (const mislead of [1, 0]) {
      const { model, texts } = await turned(mislead)
      try {
        const { values, checks } = await tunedLens(model, [texts[0]!], { ...FIT, texts })
        const { logit, tuned, unigram } = values.heldOut!
        // After block 0 the answer is there, in a basis that block 1 turns.
        if (mislead === 1) expect(logit.kl[1]!).toBeGreaterThan(unigram)
        expect(tuned.kl[1]!).toBeLessThan(0.1)
        expect(tuned.kl[1]!).toBeLessThan(0.2 * logit.kl[1]! + 0.02)
        expect(tuned.kl.at(-1)).toBeLessThan(1e-6)
        expect(checks.filter(({ verdict }) => verdict === 'fails').map(({ name }) => name)).toEqual([])
        expect(values.prompts[0]!.cells).toHaveLength(4)
      } finally {
        await model.dispose()
      }
    }
  })

  it('checks that a handful of held-out tokens cannot decide say so', async () => {
    const { model, texts } = await turned(1)
    try {
      const verdicts = async (count: number, options: TunedLensOptions) => {
        const { checks } = await tunedLens(model, [], {
          ...FIT,
          texts: texts.slice(0, count),
          control: false,
          ...options,
        })
        return Object.fromEntries(checks.map(({ name, verdict }) => [name, verdict]))
      }
      expect(await verdicts(6, {})).toMatchObject({
        'the tuned lens is at least as close as the logit lens': 'not tested',
        'the tuned lens has no bias': 'not tested',
        'the lens holds on text that it has not seen': 'not tested',
      })
      // A rate that throws the translators off is seen in more text.
      expect(await verdicts(200, { learningRate: 3, steps: 10 })).toMatchObject({
        'the tuned lens is at least as close as the logit lens': 'fails',
        'the tuned lens has no bias': 'fails',
      })
    } finally {
      await model.dispose()
    }
  })

  it('is saved and used again with the same numbers, and refused by a model of another shape', async () => {
    const { model, texts } = await turned(1)
    const other = await openCompiled(compileModel('induction', { seed: 1 }), backend)
    try {
      const options = { ...FIT, steps: 20, texts, control: false, keepTranslators: true }
      const { values, provenance } = await tunedLens(model, [texts[0]!], options)
      const files = saveLens(trainedLens(provenance, values))
      const again = await tunedLens(model, [texts[0]!], { texts, lens: readLens(files, model) })
      expect(again.values.heldOut!.tuned).toEqual(values.heldOut!.tuned)
      expect(again.values.prompts).toEqual(values.prompts)
      expect(() => readLens(files, other)).toThrow(/of another model/)
    } finally {
      await model.dispose()
      await other.dispose()
    }
  })

  it('cancelled, it keeps the translators so far', async () => {
    const { model, texts } = await turned(1)
    try {
      const cancel = new AbortController()
      const { values, complete } = await tunedLens(model, [texts[0]!], {
        ...FIT,
        texts,
        keepTranslators: true,
        signal: cancel.signal,
        onProgress: ({ phase, done }) => {
          if (phase === 'training the lens' && done >= 5) cancel.abort()
        },
      })
      expect(complete).toBe(false)
      expect(values.training.stepsDone).toBe(5)
      expect(values.heldOut).toBeNull()
      expect(values.translators!.weight.data.some((x) => x !== 0)).toBe(true)
      expect(values.prompts).toHaveLength(1)
    } finally {
      await model.dispose()
    }
  })

  it('holds no more activations than it is allowed, and still comes by every token', async () => {
    const { model, texts } = await turned(1)
    try {
      const sequences = texts.slice(0, 12)
      const length = sequences[0]!.length
      let runs = 0
      const runner = {
        run: (...given: Parameters<typeof model.run>) => {
          runs++
          return model.run(...given)
        },
      }
      const rows = model.config.n_layers + 1
      const room = 4 * length * model.config.d_model * rows * 4
      const pool = new ActivationPool(model, sequences, runner as never, {}, room)
      const { final } = await pool.next(12 * length)
      expect(runs).toBe(3)
      const { captures } = await model.run(sequences, { capture: `blocks.${rows - 2}.hook_resid_post` })
      const sum = (values: ArrayLike<number>) => Array.from(values, Number).reduce((a, b) => a + b, 0)
      const whole = Object.values(captures)[0]!.data as Float32Array
      expect(sum(final)).toBeCloseTo(sum(whole), 2)
    } finally {
      await model.dispose()
    }
  })
})

const TRAINED = 'checkpoints/induction-2l'

describe.skipIf(!existsSync(TRAINED))(
  'tuned lens of a trained model (skipped without checkpoints/induction-2l)',
  () => {
    it('is closer to the model than the logit lens in every row, on its own samples', async () => {
      const model = await loadModel(TRAINED, { threads: 1 })
      try {
        const { values, checks } = await tunedLens(model, [], {
          steps: 60,
          tokens: 2048,
          sequenceLength: 32,
          tokensPerStep: 128,
          control: false,
        })
        const { logit, tuned } = values.heldOut!
        expect(tuned.kl[0]!).toBeLessThan(logit.kl[0]!)
        expect(tuned.kl[1]!).toBeLessThan(logit.kl[1]!)
        expect(tuned.kl[2]!).toBeLessThan(1e-6)
        expect(checks.find(({ name }) => name === 'trained on given text')!.verdict).toBe('not tested')
      } finally {
        await model.dispose()
      }
    })
  },
)
