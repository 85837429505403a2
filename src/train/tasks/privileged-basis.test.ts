import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { Engine } from '../../engine/index.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { normalValues, randomSource } from '../../random/index.ts'
import { randomRotation } from '../../random/rotation.ts'
import { tensor } from '../../tensor/index.ts'
import { parseTrainingConfig } from '../config.ts'
import { compileEvaluation } from '../evaluate.ts'
import { curveOf } from '../log.ts'
import type { Problem } from '../problem.ts'
import { memoryStore } from '../run-store.ts'
import { train } from '../train.ts'
import { frequentWords } from './frequent-words.ts'
import { meanKurtosis, privilegedBasis } from './privileged-basis.ts'

const engine = new Engine({ backend: createNodeBackend({ threads: 1 }) })

const small = { n_layers: 1, d_model: 16, n_heads: 2, n_ctx: 24, vocabulary: 32, branching: 4, batch: 4 }

function create(config: object): Problem {
  const problem = privilegedBasis.create(v.parse(privilegedBasis.schema, config), 0, {
    readFile: () => Promise.reject(),
  })
  if (problem instanceof Promise) throw new Error('this task needs no files')
  return problem
}

/** The stored matrix that a rotation of its own turns into `W`: W R^T of writers [.., d], R W of readers [d, ..]. */
function turnedBack(name: string, W: Float32Array): Float32Array {
  const d = small.d_model
  const R = randomRotation(d, randomSource(0, 'rotation', name))
  const n = W.length / d
  const isWriter = /W_(E|O|out)$/.test(name)
  return Float32Array.from({ length: W.length }, (_, place) => {
    const [other, axis] = isWriter ? [Math.floor(place / d), place % d] : [place % n, Math.floor(place / n)]
    let sum = 0
    for (let k = 0; k < d; k++) sum += R[axis * d + k]! * W[isWriter ? other * d + k : k * n + other]!
    return sum
  })
}

async function kurtosisOf(rows: Float32Array, d: number): Promise<number> {
  const [found] = await engine.evaluate([meanKurtosis(tensor(rows, [rows.length / d, d]))])
  return Number(found!.data[0])
}

describe('kurtosis over coordinates', () => {
  it.each([16, 128])('of normal vectors is 3 (d - 1) / (d + 1), d = %d', async (d) => {
    const rows = normalValues(4_000 * d, 2.5, randomSource(1, 'normal'))
    // a sample kurtosis varies by about sqrt(24 / d)
    expect(Math.abs((await kurtosisOf(rows, d)) - (3 * (d - 1)) / (d + 1))).toBeLessThan(
      (5 * Math.sqrt(24 / d)) / Math.sqrt(4_000),
    )
  })

  it('of vectors of one coordinate, of signs, and of normal vectors with an outlier', async () => {
    const d = 128
    const one = Float32Array.from({ length: d }, (_, i) => (i === 7 ? 5 : 0))
    expect(await kurtosisOf(one, d)).toBeCloseTo(d - 2 + 1 / (d - 1), 2)
    const signs = Float32Array.from({ length: d }, (_, i) => (i % 2 === 0 ? 3 : -3))
    expect(await kurtosisOf(signs, d)).toBeCloseTo(1, 5)
    const outlier = normalValues(100 * d, 1, randomSource(2, 'outlier')).map((x, i) => (i % d === 0 ? 10 : x))
    expect(await kurtosisOf(outlier, d)).toBeGreaterThan(20)
  })
})

describe('rotations', () => {
  it('change neither the loss nor what the optimiser sees, when shared', async () => {
    const [plain, shared] = [create(small), create({ ...small, rotation: 'shared' })]
    const values = plain.initial()
    // an axis of its own for the embedding: what a rotation has to hide
    const W_E = values.get('embed.W_E')!
    values.set(
      'embed.W_E',
      W_E.map((x, i) => (i % 16 === 3 ? x + 8 : x)),
    )
    const measure = (problem: Problem) => compileEvaluation(engine, problem.parameters, problem.evaluations[0]!)(values)
    const [a, b] = [await measure(plain), await measure(shared)]
    expect(b['heldOut/loss']).toBeCloseTo(a['heldOut/loss'] as number, 4)
    const first = (name: string, of: typeof a) => (of[`heldOut/${name}`] as number[])[0]!
    expect(first('kurtosis', a)).toBeGreaterThan(8)
    expect(first('optimiserKurtosis', b)).toBeCloseTo(first('kurtosis', a), 3)
    expect(first('kurtosis', b)).toBeLessThan(6)
    expect(first('rotatedKurtosis', a)).toBeLessThan(3.5)
  })

  it.each([
    ['sgd', 'shared', true],
    ['adam', 'shared', true],
    ['sgd', 'independent', true],
    ['adam', 'independent', false],
  ] as const)('train the same model with %s, rotations %s: %s', async (name, rotation, same) => {
    const losses = async (problem: Problem, kind: string) => {
      const config = parseTrainingConfig({
        task: 'privileged-basis',
        config: { ...small, rotation: kind },
        steps: 20,
        optimiser: { name, learningRate: name === 'sgd' ? 0.5 : 0.01 },
      })
      const store = memoryStore()
      await train(engine, problem, config, { store })
      return curveOf(store.entries, 'loss').values
    }
    const plain = create(small)
    const start = plain.initial()
    // a shared rotation keeps what is stored; matrices with rotations of their own are stored so that the model is the same
    const stored = rotation === 'shared' ? start : new Map([...start].map(([one, W]) => [one, turnedBack(one, W)]))
    const expected = await losses(plain, 'none')
    const found = await losses({ ...create({ ...small, rotation }), initial: () => stored }, rotation)
    expect(found[0]).toBeCloseTo(expected[0]!, 4)
    const difference = Math.max(...found.map((loss, i) => Math.abs(loss - expected[i]!)))
    if (same) expect(difference).toBeLessThan(2e-3)
    else expect(difference).toBeGreaterThan(0.02)
  })

  it('has no weights per coordinate beside the matrices', () => {
    expect(create(small).parameters.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['embed.W_E', 'unembed.W_U', 'blocks.0.attn.W_Q']),
    )
    for (const { name } of create(small).parameters) expect(name).toMatch(/W_/)
  })
})

describe('frequent words', () => {
  const draw = frequentWords({ vocabulary: 100, branching: 4, length: 200 }, 3)
  const texts = Array.from({ length: 400 }, (_, i) => [...draw(randomSource(0, 'text', i))])

  it('are the same for a seed and random source', () => {
    expect([...draw(randomSource(0, 'text', 5))]).toEqual(texts[5])
    const other = frequentWords({ vocabulary: 100, branching: 4, length: 200 }, 4)
    expect([...other(randomSource(0, 'text', 5))]).not.toEqual(texts[5])
  })

  it('has frequent and rare words, all of them', () => {
    const counts = new Array<number>(100).fill(0)
    for (const token of texts.flat()) counts[token]!++
    const share = (from: number, to: number) => counts.slice(from, to).reduce((a, b) => a + b) / texts.flat().length
    expect(share(0, 10)).toBeGreaterThan(0.3)
    expect(share(50, 100)).toBeLessThan(0.3)
    expect(Math.min(...counts)).toBeGreaterThan(0)
  })

  it('can be foretold in part from the last two words', () => {
    const successors = new Map<string, Map<number, number>>()
    for (const text of texts.slice(0, 300)) {
      text.slice(2).forEach((token, i) => {
        const key = `${text[i]},${text[i + 1]}`
        const seen = successors.get(key) ?? new Map<number, number>()
        successors.set(key, seen.set(token, (seen.get(token) ?? 0) + 1))
      })
    }
    let [right, all] = [0, 0]
    for (const text of texts.slice(300)) {
      text.slice(2).forEach((token, i) => {
        const seen = [...(successors.get(`${text[i]},${text[i + 1]}`) ?? [])].sort((a, b) => b[1] - a[1])
        right += seen[0]?.[0] === token ? 1 : 0
        all++
      })
    }
    // the most frequent word alone would be right about 7 times in 100
    expect(right / all).toBeGreaterThan(0.15)
  })
})
