import { describe, expect, it } from 'vitest'
import { largestDifference, runGraph } from '../../../test/support/run-graph.ts'
import { randomSource } from '../../random/index.ts'
import { tensor } from '../../tensor/index.ts'
import { frequencyCount, gini, powerByFrequency, topShare } from './fourier.ts'
import { keyFrequencies } from './key-frequencies.ts'
import { directionPowers, neuronSpectra, sumMeasures } from './progress-measures.ts'

const p = 23
const wave = (k: number, x: number) => Math.cos((2 * Math.PI * k * x) / p)
const pairs = Array.from({ length: p * p }, (_, place) => [Math.floor(place / p), place % p] as const)

/** A table [p * p, columns]. */
function table(columns: number, value: (a: number, b: number, column: number) => number) {
  const values = pairs.flatMap(([a, b]) => Array.from({ length: columns }, (_, c) => value(a, b, c)))
  return tensor(Float32Array.from(values), [p * p, columns])
}

async function losses(logits: ReturnType<typeof table>, keys: readonly number[]) {
  const measures = sumMeasures(
    logits,
    {
      answers: tensor(BigInt64Array.from(pairs, ([a, b]) => BigInt((a + b) % p))),
      trained: tensor(Float64Array.from(pairs, (_, i) => (i % 3 === 0 ? 1 : 0))),
      keys: tensor(Float32Array.from({ length: frequencyCount(p) }, (_, k) => (keys.includes(k + 1) ? 1 : 0))),
    },
    p,
  )
  const names = Object.keys(measures) as (keyof typeof measures)[]
  const values = await runGraph(names.map((name) => measures[name]))
  return Object.fromEntries(names.map((name, i) => [name, values[i]!])) as Record<keyof typeof measures, Float64Array>
}

async function spectra(activations: ReturnType<typeof table>) {
  const { shares, variances } = neuronSpectra(activations, p)
  const [share, variance] = await runGraph([shares, variances])
  return keyFrequencies([...share!], [...variance!])
}

describe('a planted circuit: logits cos(w (a + b - c)) of frequencies 2 and 7, and a mean logit per answer', () => {
  const circuit = table(p, (a, b, c) => 6 * (wave(2, a + b - c) + wave(7, a + b - c)) + 0.1 * c)

  it('restricted to its own frequencies loses nothing, and without them only the mean logits are left', async () => {
    const { full, restricted, excluded, train, shares } = await losses(circuit, [2, 7])
    const means = await losses(
      table(p, (_, __, c) => 0.1 * c),
      [],
    )
    expect(restricted[0]).toBeCloseTo(full[0]!, 5)
    expect(full[0]).toBeLessThan(0.5)
    expect(excluded[0]).toBeCloseTo(means.train[0]!, 5)
    expect(train[0]).toBeLessThan(1)
    expect([...shares].map((share) => Number(share.toFixed(4)))).toEqual([0, 0.5, 0, 0, 0, 0, 0.5, 0, 0, 0, 0])
  })

  it('restricted to one of its frequencies is worse, to others as bad as the mean logits', async () => {
    const { full, restricted } = await losses(circuit, [2])
    const { restricted: other, excluded, train } = await losses(circuit, [3, 5])
    expect(restricted[0]).toBeGreaterThan(full[0]! + 0.1)
    expect(other[0]).toBeGreaterThan(Math.log(p) - 0.1)
    expect(excluded[0]).toBeCloseTo(train[0]!, 5)
  })

  it('sees through what was memorised beside it, which the full loss on held-out pairs does not', async () => {
    const random = randomSource(1, 'memorised')
    const noise = pairs.map(() => Array.from({ length: p }, () => 4 * random.normal()))
    const both = table(p, (a, b, c) => 6 * (wave(2, a + b - c) + wave(7, a + b - c)) + 0.1 * c + noise[a * p + b]![c]!)
    const { restricted, test } = await losses(both, [2, 7])
    const { full: clean } = await losses(circuit, [2, 7])
    expect(Math.abs(restricted[0]! - clean[0]!)).toBeLessThan(0.2)
    expect(test[0]).toBeGreaterThan(restricted[0]! + 1)
  })
})

describe('train and test losses', () => {
  it('are means over the trained and the held-out pairs', async () => {
    const logits = table(p, (a, b, c) => (c === (a + b) % p && (a * p + b) % 3 === 0 ? 20 : 0))
    const { train, test, full } = await losses(logits, [])
    const trained = Math.ceil((p * p) / 3)
    expect(train[0]).toBeLessThan(1e-6)
    expect(test[0]).toBeCloseTo(Math.log(p), 9)
    expect(full[0]).toBeCloseTo((Math.log(p) * (p * p - trained)) / (p * p), 6)
  })
})

describe('key frequencies of neurons', () => {
  it('are those that neurons of one frequency were built from, linear and quadratic', async () => {
    const built = table(5, (a, b, n) => {
      if (n === 0) return Math.max(0, wave(4, a) + wave(4, b))
      if (n === 1) return 2 + wave(9, a + 3)
      if (n === 2) return wave(9, a) * wave(9, b + 5)
      return n === 3 ? 0 : 7
    })
    const { frequencies, ofNeurons, explained } = await spectra(built)
    expect(frequencies).toEqual([4, 9])
    expect(ofNeurons).toEqual([4, 9, 9, null, null])
    expect(explained[0]).toBeGreaterThan(0.85)
    expect(explained[1]).toBeCloseTo(1, 5)
    expect(explained[2]).toBeCloseTo(1, 5)
  })

  it('are none for noise, for neurons of three frequencies, and for products of waves of different frequencies', async () => {
    const random = randomSource(2, 'noise')
    const { frequencies, explained } = await spectra(
      table(20, (a, b, n) => {
        if (n === 0) return wave(3, a) + wave(5, b) + wave(8, a)
        return n === 1 ? wave(3, a) * wave(5, b) : random.normal()
      }),
    )
    expect(frequencies).toEqual([])
    expect(explained[0]).toBeCloseTo(1 / 3, 5)
    expect(explained[1]).toBeCloseTo(0, 5)
    expect(Math.max(...explained.slice(2))).toBeLessThan(0.2)
  })
})

describe('spectra of weights', () => {
  it('put the power of a table of waves where its waves are', async () => {
    const columns = 3
    const values = Array.from({ length: p }, (_, x) => [5, wave(6, x), 2 * Math.sin((2 * Math.PI * 10 * x) / p)]).flat()
    const [powers] = await runGraph([directionPowers(tensor(Float32Array.from(values), [p, columns]), p)])
    const byFrequency = powerByFrequency([...powers!])
    expect(largestDifference(byFrequency, [0, 0, 0, 0, 0, p / 2, 0, 0, 0, 2 * p, 0])).toBeLessThan(1e-4)
  })

  it('are summed up by shares and the Gini coefficient', () => {
    expect(topShare([1, 6, 3], 2)).toBeCloseTo(0.9, 12)
    expect(gini([2, 2, 2, 2])).toBeCloseTo(0, 12)
    expect(gini([0, 0, 0, 4])).toBeCloseTo(0.75, 12)
    expect(gini([1, 3])).toBeCloseTo(0.25, 12)
  })
})
