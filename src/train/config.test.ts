import { describe, expect, it } from 'vitest'
import { completeTrainingConfig, withTaskSettings } from './complete-config.ts'
import { type Cadence, configDifferences, isDue, parseTrainingConfig } from './config.ts'

const adam = { name: 'adam', learningRate: 0.01 }

const due = (cadence: Cadence, last: number, stepsPerRun = 1) =>
  Array.from({ length: last / stepsPerRun + 1 }, (_, i) => i * stepsPerRun).filter((step) =>
    isDue(cadence, step, stepsPerRun),
  )

describe('cadence', () => {
  it('every so many steps, the beginning included', () => {
    expect(due({ every: 25 }, 110)).toEqual([0, 25, 50, 75, 100])
  })

  it('so many per factor of ten, evenly in the logarithm', () => {
    expect(due({ perDecade: 3 }, 1200)).toEqual([0, 1, 2, 5, 10, 22, 46, 100, 215, 464, 1000])
    expect(due({ perDecade: 1 }, 2000)).toEqual([0, 1, 10, 100, 1000])
    // where points are closer than steps, every step is one
    expect(due({ perDecade: 50 }, 12)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
  })

  it('has exactly perDecade steps in every decade that is wide enough', () => {
    for (const perDecade of [2, 7, 12, 20]) {
      const inDecade = due({ perDecade }, 9999).filter((step) => step >= 1000)
      expect(inDecade).toHaveLength(perDecade)
    }
  })

  it('both together, and never when nothing is said', () => {
    expect(due({ every: 40, perDecade: 1 }, 120)).toEqual([0, 1, 10, 40, 80, 100, 120])
    expect(due({}, 50)).toEqual([])
  })

  it('a run of several steps does what any of them asks for', () => {
    // 0, then runs end at 4, 8, .. ; points are 1, 2, 5, 10, 22, 46
    expect(due({ perDecade: 3 }, 48, 4)).toEqual([0, 4, 8, 12, 24, 48])
    expect(due({ every: 6 }, 24, 4)).toEqual([0, 8, 12, 20, 24])
  })
})

describe('a training config', () => {
  it('is completed by defaults, and complete ones stay as they are', () => {
    const complete = parseTrainingConfig({ task: 't', steps: 10, optimiser: adam })
    expect(complete).toEqual({
      task: 't',
      config: {},
      seed: 0,
      steps: 10,
      optimiser: { ...adam, weightDecay: 0, decays: 'all', betas: [0.9, 0.999], epsilon: 1e-8 },
      schedule: { warmup: 0, shape: 'constant', final: 0 },
      accumulate: 1,
      stepsPerRun: 1,
      logEvery: 1,
      evaluate: { perDecade: 10 },
      snapshots: {},
    })
    expect(JSON.stringify(parseTrainingConfig(JSON.parse(JSON.stringify(complete))))).toBe(JSON.stringify(complete))
  })

  it.each([
    [{ steps: 0 }, /field steps does not fit/],
    [{ steps: 10.5 }, /field steps does not fit/],
    [{ optimiser: { name: 'adam' } }, /field optimiser\.learningRate does not fit/],
    [{ optimiser: { ...adam, lr: 1 } }, /field optimiser\.lr does not fit/],
    [{ schedule: { shape: 'step' } }, /field schedule\.shape does not fit.*"constant" \| "linear" \| "cosine"/],
    [{ clip: 0 }, /field clip does not fit/],
    [{ snapshots: { often: true } }, /field snapshots\.often does not fit/],
    [{ seed: -1 }, /field seed does not fit/],
    [{ batch: 3 }, /field batch does not fit/],
    [{ steps: 10, stepsPerRun: 4 }, /field steps does not fit: 10 steps are no multiple of stepsPerRun, 4/],
  ])('%j is refused', (changes, message) => {
    expect(() => parseTrainingConfig({ task: 't', steps: 10, optimiser: adam, ...changes })).toThrow(message)
  })

  it('what is no object is refused', () => {
    expect(() => parseTrainingConfig('modular-addition')).toThrow(/The training config does not fit/)
    expect(() => completeTrainingConfig(null)).toThrow(/an object that names its task/)
    expect(() => completeTrainingConfig({ steps: 3 })).toThrow(/an object that names its task/)
  })

  it("takes from its task's settings what it leaves out, field by field, and completes the task's own config", () => {
    const optimiser = { name: 'sgd', learningRate: 0.1 }
    const complete = completeTrainingConfig({ task: 'modular-addition', config: { p: 59 }, seed: 7, optimiser })
    expect(complete).toMatchObject({
      config: { p: 59, trainFraction: 0.3, labels: 'sum' },
      seed: 7,
      steps: 25_000,
      optimiser: { name: 'sgd', learningRate: 0.1, momentum: 0 },
      schedule: { warmup: 10, shape: 'constant' },
    })
    expect(complete.optimiser).not.toHaveProperty('betas')
    expect(completeTrainingConfig(complete)).toEqual(complete)
    expect(withTaskSettings({ task: 'modular-addition' })).toMatchObject({ optimiser: { betas: [0.9, 0.98] } })
  })

  it('tasks and their fields that do not exist are named', () => {
    expect(() => completeTrainingConfig({ task: 'modular' })).toThrow(
      /no task 'modular'. Near: .* All: .*modular-addition/,
    )
    expect(() => completeTrainingConfig({ task: 'modular-addition', config: { q: 7 } })).toThrow(
      /config of the task modular-addition's field q does not fit/,
    )
  })

  it('differences are told field by field', () => {
    const a = parseTrainingConfig({ task: 't', steps: 10, optimiser: adam })
    const b = parseTrainingConfig({ task: 't', steps: 20, optimiser: adam, clip: 1 })
    expect(configDifferences(a, a)).toEqual([])
    expect(configDifferences(a, b)).toEqual(['steps (was 10, now 20)', 'clip (was undefined, now 1)'])
  })
})
