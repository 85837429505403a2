import { describe, expect, it } from 'vitest'
import { type RandomSource, randomSource } from '../random/index.ts'
import { RELAXATION_DECADES, type StepScale } from './phase-change/shapes.ts'
import { detectPhaseChanges, type PhaseChange } from './phase-change.ts'

const LAST = 20_000
/** About `count` whole steps, evenly spaced on their axis. */
function stepsOn(scale: StepScale, count: number): number[] {
  const share = (i: number) => i / (count - 1)
  if (scale === 'linear') return Array.from({ length: count }, (_, i) => share(i) * LAST)
  return [...new Set(Array.from({ length: count }, (_, i) => Math.round(LAST ** share(i))))]
}

/** Values around a mean in autoregressive noise of standard deviation `deviation(mean)`. */
function noisy(
  mean: readonly number[],
  deviation: (mean: number) => number,
  correlation: number,
  random: RandomSource,
) {
  let noise = random.normal()
  return mean.map((m) => {
    const value = m + deviation(m) * noise
    noise = correlation * noise + Math.sqrt(1 - correlation ** 2) * random.normal()
    return value
  })
}

const place = (scale: StepScale, step: number) => (scale === 'log' ? Math.log10(step) : step)
/** A logistic rise whose 10-90 width is `width` on the axis. */
const risen = (scale: StepScale, step: number, centre: number, width: number) =>
  1 / (1 + Math.exp((-Math.log(81) / width) * (place(scale, step) - centre)))

/** None of these is a sum of a few of the shapes that are fitted. */
const smooth: Record<string, (random: RandomSource) => (step: number) => number> = {
  'stretched exponential': (random) => {
    const [tau, beta] = [10 ** (1.5 + 2.3 * random.uniform()), 0.3 + 0.6 * random.uniform()]
    return (step) => 1 + 3 * Math.exp(-((step / tau) ** beta))
  },
  'two power laws': (random) => {
    const [a, b] = [10 ** (3 * random.uniform()), 10 ** (1 + 3 * random.uniform())]
    return (step) => 1 + 2 * (1 + step / a) ** -0.3 + 1.5 * (1 + step / b) ** -0.9
  },
  'log-linear': (random) => {
    const from = 10 ** (3 * random.uniform())
    return (step) => 4 - 0.3 * Math.log(1 + step / from)
  },
  'rising Hill curve': (random) => {
    const [tau, power] = [10 ** (1.5 + 2.3 * random.uniform()), 0.5 + 0.8 * random.uniform()]
    return (step) => step ** power / (tau ** power + step ** power)
  },
}

describe('phase changes', () => {
  it('few false alarms on 216 smooth curves of families that are not fitted', () => {
    const noises = [
      { share: 0.01, correlation: 0, proportional: false },
      { share: 0.05, correlation: 0.6, proportional: false },
      { share: 0.02, correlation: 0.3, proportional: true },
    ]
    const alarms: string[] = []
    let tested = 0
    for (const scale of ['log', 'linear'] as const)
      for (const [name, family] of Object.entries(smooth))
        for (const { share, correlation, proportional } of noises)
          for (let seed = 0; seed < 9; seed++) {
            const random = randomSource(seed, scale, name, share)
            const steps = stepsOn(scale, 60 + random.integer(90))
            const mean = steps.map(family(random))
            const range = Math.max(...mean) - Math.min(...mean)
            const deviation = proportional ? (m: number) => share * m : () => share * range
            const values = noisy(mean, deviation, correlation, random)
            const { changes } = detectPhaseChanges({ steps, values }, { scale, seed, nulls: 200 })
            tested++
            if (changes.length > 0) alarms.push(`${scale} ${name} ${share}: ${JSON.stringify(changes)}`)
          }
    expect(tested).toBe(216)
    expect(alarms.length / tested, alarms.join('\n')).toBeLessThanOrEqual(0.05)
  })

  it('planted changes of at least 10 noise deviations and at most a fifth of the longest width are found and placed', () => {
    const planted: { scale: StepScale; found: boolean; others: number; covered: boolean; width: number }[] = []
    for (const scale of ['log', 'linear'] as const)
      for (const share of [0.4, 0.8])
        for (const widthShare of [0.08, 0.2])
          for (const { deviation, correlation } of [
            { deviation: 0.01, correlation: 0 },
            { deviation: 0.02, correlation: 0.4 },
            { deviation: 0.04, correlation: 0 },
          ])
            for (let seed = 0; seed < 2; seed++) {
              const random = randomSource(seed, 'planted', scale, share, widthShare, deviation)
              const steps = stepsOn(scale, 150)
              const width = widthShare * (scale === 'log' ? RELAXATION_DECADES : LAST / 4)
              const centre = scale === 'log' ? 1.8 + 1.8 * random.uniform() : LAST * (0.25 + 0.5 * random.uniform())
              const tau = 10 ** (1.5 + 2.3 * random.uniform())
              const mean = steps.map(
                (step) => (1 - share) * (1 + step / tau) ** -0.5 - share * risen(scale, step, centre, width),
              )
              const values = noisy(mean, () => deviation, correlation, random)
              const { changes } = detectPhaseChanges({ steps, values }, { scale, seed, nulls: 200 })
              const ends = ({ interval: [from, to] }: PhaseChange) => [place(scale, from), place(scale, to)] as const
              const own = changes.find((change) => {
                const [from, to] = ends(change)
                return from < centre + width / 2 && to > centre - width / 2
              })
              const [from, to] = own ? ends(own) : [0, 0]
              planted.push({
                scale,
                found: own?.direction === 'fall',
                others: changes.length - (own ? 1 : 0),
                covered: own !== undefined && from <= centre && centre <= to,
                width: (to - from) / width,
              })
            }
    const share = (test: (one: (typeof planted)[number]) => boolean) => planted.filter(test).length / planted.length
    expect(planted.length).toBe(48)
    expect(share(({ found }) => found)).toBeGreaterThanOrEqual(0.95)
    expect(share(({ covered }) => covered)).toBeGreaterThanOrEqual(0.9)
    expect(share(({ width }) => width > 0.5 && width < 2)).toBeGreaterThanOrEqual(0.8)
    expect(share(({ others }) => others > 0)).toBeLessThanOrEqual(0.1)
  })

  it('two changes in one curve, with effect and sharpness as planted', () => {
    const steps = stepsOn('linear', 200)
    const mean = steps.map(
      (step) => 2 * Math.exp(-step / 6000) + risen('linear', step, 6000, 600) - 2 * risen('linear', step, 14000, 400),
    )
    const values = noisy(mean, () => 0.03, 0.3, randomSource(1, 'two'))
    const { changes, checks } = detectPhaseChanges({ steps, values }, { scale: 'linear', seed: 0, nulls: 200 })
    expect(changes.map(({ direction }) => direction)).toEqual(['rise', 'fall'])
    const range = Math.max(...mean) - Math.min(...mean)
    expect(changes[0]!.center).toBeGreaterThan(5800)
    expect(changes[0]!.center).toBeLessThan(6200)
    expect(changes[1]!.effect.share).toBeCloseTo(2 / range, 1)
    expect(changes[1]!.effect.sigmas).toBeGreaterThan(50)
    expect(changes[1]!.sharpness).toBeGreaterThan(8)
    expect(changes[1]!.sharpness).toBeLessThan(20)
    expect(changes.map(({ pValue }) => pValue)).toEqual([1 / 201, 1 / 201])
    expect(checks.map(({ verdict }) => verdict)).toEqual(['holds', 'holds', 'holds'])
  })

  it('grokking: the test loss rises smoothly, then falls at once', () => {
    const steps = stepsOn('log', 160)
    const mean = steps.map(
      (step) => 4.7 + 8 * (1 - Math.exp(-step / 500)) - 12.6 * risen('log', step, Math.log10(9000), 0.15),
    )
    const values = noisy(mean, () => 0.1, 0.3, randomSource(2, 'grokking'))
    const { changes } = detectPhaseChanges({ steps, values }, { scale: 'log', seed: 0, nulls: 200 })
    expect(changes).toHaveLength(1)
    const [change] = changes
    expect(change).toMatchObject({ direction: 'fall' })
    expect(change!.interval[0]).toBeGreaterThan(6500)
    expect(change!.interval[0]).toBeLessThan(9000)
    expect(change!.interval[1]).toBeGreaterThan(9000)
    expect(change!.interval[1]).toBeLessThan(12000)
    expect(change!.effect.share).toBeGreaterThan(0.8)
  })

  it("`values: 'log'` shows a change among small values, and a check says when it is needed", () => {
    const steps = stepsOn('linear', 200)
    const random = randomSource(3, 'decades')
    const exponents = noisy(
      steps.map((step) => 2 - (2 * step) / LAST - 3 * risen('linear', step, 12000, 500)),
      () => 0.05,
      0,
      random,
    )
    const values = exponents.map((x) => 10 ** (2 * x))
    const options = { scale: 'linear', seed: 0, nulls: 200 } as const
    const { changes } = detectPhaseChanges({ steps, values }, { ...options, values: 'log' })
    expect(changes).toHaveLength(1)
    expect(Math.abs(changes[0]!.center - 12000)).toBeLessThan(200)
    const linear = detectPhaseChanges({ steps, values }, options)
    expect(linear.checks.find(({ name }) => name === 'the values have one scale')?.verdict).toBe('fails')
  })

  it('step 0 on a log axis, and more points than are looked at', () => {
    const steps = Array.from({ length: 4000 }, (_, i) => 5 * i)
    const mean = steps.map((step) => 1 / (1 + step / 300) + risen('log', Math.max(step, 1), 3.5, 0.1))
    const values = noisy(mean, () => 0.1, 0, randomSource(4, 'many'))
    const { changes } = detectPhaseChanges({ steps, values }, { scale: 'log', seed: 0, nulls: 200 })
    expect(changes).toHaveLength(1)
    expect(Math.abs(Math.log10(changes[0]!.center) - 3.5)).toBeLessThan(0.05)
  })

  it('a change between two logged points is no finer than these, and says so', () => {
    const steps = stepsOn('linear', 60)
    const values = noisy(
      steps.map((step) => (step < 10_000 ? 0 : 1)),
      () => 0.02,
      0,
      randomSource(5, 'jump'),
    )
    const { changes, checks } = detectPhaseChanges({ steps, values }, { scale: 'linear', seed: 0, nulls: 200 })
    expect(changes).toHaveLength(1)
    const [from, to] = changes[0]!.interval
    expect(to - from).toBeGreaterThanOrEqual(steps[1]! * 0.999)
    expect(checks.find(({ name }) => name === 'changes are resolved')?.verdict).toBe('fails')
  })

  it('oscillation fails a check', () => {
    const steps = stepsOn('linear', 120)
    const random = randomSource(6, 'oscillation')
    const values = steps.map((step) => Math.sin(step / 500) + 0.05 * random.normal())
    const { checks } = detectPhaseChanges({ steps, values }, { scale: 'linear', seed: 0, nulls: 200 })
    expect(checks[0]).toMatchObject({ name: 'the rest is noise', verdict: 'fails' })
  })

  it('the same seed gives the same result', () => {
    const steps = stepsOn('log', 80)
    const random = randomSource(7, 'same')
    const values = steps.map((step) => -risen('log', step, 2.5, 0.3) + 0.1 * random.normal())
    const once = detectPhaseChanges({ steps, values }, { scale: 'log', seed: 3, nulls: 200 })
    expect(detectPhaseChanges({ steps, values }, { scale: 'log', seed: 3, nulls: 200 })).toEqual(once)
    expect(once.changes).toHaveLength(1)
  })

  it('short and constant curves are not tested; what is no curve is an error', () => {
    const options = { scale: 'linear', seed: 0, nulls: 200 } as const
    const steps = stepsOn('linear', 20)
    const short = detectPhaseChanges({ steps, values: steps.map((_, i) => (i < 10 ? 0 : 1)) }, options)
    expect(short.changes).toEqual([])
    expect(short.checks[0]).toMatchObject({ verdict: 'not tested' })
    expect(short.checks[0]!.why).toContain('20 points')
    const many = stepsOn('linear', 50)
    const constant = detectPhaseChanges({ steps: many, values: many.map(() => 2.5) }, options)
    expect(constant.checks[0]).toMatchObject({ verdict: 'not tested', why: 'the curve is constant' })
    const values = many.map((_, i) => i)
    expect(() => detectPhaseChanges({ steps: many, values: values.with(3, Number.NaN) }, options)).toThrow('is NaN')
    expect(() => detectPhaseChanges({ steps: many, values }, { ...options, values: 'log' })).toThrow('positive')
    expect(() => detectPhaseChanges({ steps: many, values: [1] }, options)).toThrow('50 steps and 1 values')
    expect(() => detectPhaseChanges({ steps: many.with(4, 0), values }, options)).toThrow('steps must rise')
    expect(() => detectPhaseChanges({ steps: many, values }, { ...options, nulls: 50 })).toThrow('at least 200')
  })
})
