import { describe, expect, it } from 'vitest'
import { holdBars } from './bars.ts'
import type { ArmResult } from './experiment.ts'
import { mergePatch } from './merge-patch.ts'
import { planExperiment } from './plan.ts'
import { readmeWithResults, readResults, resultsOf, writeResults } from './report.ts'
import { parseExperiment } from './spec.ts'

const training = {
  task: 'modular-addition',
  config: { p: 5, d_model: 8, n_heads: 2, d_mlp: 8 },
  steps: 100,
  optimiser: { name: 'adamw', learningRate: 0.01, weightDecay: 1 },
}

const spec = {
  title: 'A title',
  claim: 'A claim.',
  source: ['A paper'],
  expected: ['A figure'],
  seeds: [0, 1, 2],
  arms: {
    main: { role: 'claim', description: 'The claim.', training, parameters: { level: 3 } },
    control: { role: 'control', description: 'What fails.', seeds: [7], training },
  },
  quick: { seeds: [4], arms: { main: { training: { steps: 10, config: { p: 3 } } }, control: null } },
  bars: [
    { id: 'high', statement: 'It is high.', arm: 'main', measure: 'height', atLeast: 2, quick: 1 },
    { id: 'mostly', statement: 'It is mostly high.', arm: 'main', measure: 'height', above: 2, seeds: 2, quick: null },
    { id: 'fails', statement: 'The control is low.', arm: 'control', measure: 'height', below: 1 },
  ],
}

const changed = (patch: unknown) => () => planExperiment(parseExperiment(mergePatch(spec, patch), 'e.json'), false, 'e')

const results = (heights: Readonly<Record<string, readonly number[]>>): ArmResult[] =>
  Object.entries(heights).flatMap(([arm, values]) =>
    values.map((height, seed) => ({ arm, seed, measures: { scalars: { height }, curves: {}, tables: {} } })),
  )

describe('experiment.json', () => {
  it.each([
    ['a missing field', { claim: null }, 'claim: is missing'],
    [
      'a misspelt field',
      { arms: { main: { rolle: 'claim' } } },
      "arms.main.rolle: there is no 'rolle'; did you mean role",
    ],
    ['a role that is none', { arms: { main: { role: 'test' } } }, 'arms.main.role: '],
    ['seeds that are no numbers', { seeds: ['a'] }, 'seeds.0: '],
    ['two limits of a bar', { bars: [{ ...spec.bars[0], below: 3 }] }, 'bars.0: A bar has exactly one of atLeast'],
    [
      'a bar of no arm',
      { bars: [{ ...spec.bars[0], arm: 'mian' }] },
      "bars.0.arm: there is no arm 'mian'; did you mean main",
    ],
    ['more seeds than there are', { bars: [{ ...spec.bars[0], seeds: 4 }] }, 'bars.0.seeds: 4 seeds must pass'],
    ['two bars of one id', { bars: [spec.bars[0], spec.bars[0]] }, "bars.1.id: there is another bar 'high'"],
    ['an override of no arm', { quick: { arms: { mian: {} } } }, "quick.arms.mian: there is no arm 'mian'"],
    ['a training that does not fit', { arms: { main: { training: { steps: 0 } } } }, 'arms.main.training: .*steps'],
    [
      'a task that is none',
      { arms: { main: { training: { task: 'addittion' } } } },
      "arms.main.training: .*'addittion'",
    ],
    ['a config that does not fit', { arms: { main: { training: { config: { p: 'x' } } } } }, 'arms.main.training: .*p'],
    ['a seed in a training', { arms: { main: { training: { seed: 1 } } } }, 'arms.main.training.seed: '],
  ])('%s is an error that names it', (_, patch, message) => {
    expect(changed(patch)).toThrow(new RegExp(message))
  })

  it('the full version has every arm with its seeds', () => {
    const { runs, bars } = planExperiment(parseExperiment(spec, 'e.json'), false, 'e.json')
    expect(runs.map(({ arm, seed }) => `${arm}-${seed}`)).toEqual(['main-0', 'main-1', 'main-2', 'control-7'])
    expect(runs[1]).toMatchObject({ parameters: { level: 3 }, training: { seed: 1, steps: 100, config: { p: 5 } } })
    expect(bars.map(({ id, limit, needed }) => ({ id, limit, needed }))).toEqual([
      { id: 'high', limit: 2, needed: 3 },
      { id: 'mostly', limit: 2, needed: 2 },
      { id: 'fails', limit: 1, needed: 1 },
    ])
  })

  it('the short version merges its overrides, and leaves out arms and bars', () => {
    const { runs, bars } = planExperiment(parseExperiment(spec, 'e.json'), true, 'e.json')
    expect(runs.map(({ arm, seed }) => `${arm}-${seed}`)).toEqual(['main-4'])
    expect(runs[0]!.training).toMatchObject({ seed: 4, steps: 10, config: { p: 3, d_model: 8 } })
    expect(bars).toEqual([
      {
        ...{ id: 'high', statement: 'It is high.', arm: 'main' },
        measure: 'height',
        comparison: 'atLeast',
        limit: 1,
        needed: 1,
      },
    ])
  })
})

describe('bars', () => {
  const plan = planExperiment(parseExperiment(spec, 'e.json'), false, 'e.json')

  it('are met by as many seeds as they need, and show all', () => {
    const outcome = holdBars(plan.bars, results({ main: [2, 3, 2.5], control: [0.5] }))
    expect(outcome.map(({ met }) => met)).toEqual([true, true, true])
    expect(outcome[1]!.seeds).toEqual([
      { seed: 0, value: 2, passed: false },
      { seed: 1, value: 3, passed: true },
      { seed: 2, value: 2.5, passed: true },
    ])
  })

  it('are missed by one seed where all must pass, by a control that does not fail, and by what is no number', () => {
    const outcome = holdBars(plan.bars, results({ main: [1.9, Number.NaN, 5], control: [1] }))
    expect(outcome.map(({ met }) => met)).toEqual([false, false, false])
  })

  it('read only what was measured', () => {
    const bars = [{ ...plan.bars[0]!, measure: 'hight' }]
    expect(() => holdBars(bars, results({ main: [1] }))).toThrow('did not measure. Near: height')
  })

  it('survive being written, and make the table of a README', () => {
    const all = resultsOf(plan, results({ main: [1.9, Number.NaN, 5], control: [0] }), false, () => 61.4)
    const text = writeResults(all)
    expect(readResults(text, 'results.json')).toEqual(all)
    expect(all.runs[0]).toEqual({ arm: 'main', seed: 0, trainingSeconds: 61, scalars: { height: 1.9 } })
    const readme = readmeWithResults('# Head\n<!-- results -->\nold\n<!-- /results -->\nrest\n', 'name', all)
    expect(readme).toMatch(/^# Head\n<!-- results -->\n1 of 3 bars are met/)
    expect(readme).toContain('| high | main | height | >= 2 | 1.9 ✗ | NaN ✗ | 5 | NO |')
    expect(readme).toMatch(/\n<!-- \/results -->\nrest\n$/)
    expect(readme).not.toContain('old')
    expect(readmeWithResults('# Head\n', 'name', all)).toBeUndefined()
  })
})
