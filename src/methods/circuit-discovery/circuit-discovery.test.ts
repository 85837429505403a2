import { afterAll, describe, expect, it } from 'vitest'
import { openToy, toyForms } from '../../../test/support/toy-model.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { openCompiled } from '../../lab/index.ts'
import { type CompiledModel, compileModel, edgesThatMatter, trueEdges } from '../../models/compiled/index.ts'
import { preparePair } from '../patching/prompt-pair.ts'
import { Meter } from '../shared/result.ts'
import { discoverCircuit } from './circuit-discovery.ts'
import { circuitPair, runCircuits } from './circuit-runs.ts'
import type { DiscoveryOptions, DiscoveryValues } from './discovery-values.ts'
import { connectedOrder, edgeGraph, endsOf, liveEdges, randomCircuit } from './edge-graph.ts'
import { removeGreedily } from './greedy-removal.ts'

const backend = createNodeBackend({ threads: 1 })
afterAll(() => backend.dispose())

const PAIR = { clean: [1, 4, 2, 5, 3], corrupt: [1, 6, 2, 0, 3], answer: 0, wrong: 2 }
const toy = toyForms['one after the other']!

async function discovered(compiled: CompiledModel, options: DiscoveryOptions = {}) {
  const model = await openCompiled(compiled, backend)
  try {
    return await discoverCircuit(model, compiled.pairs, { holdOut: false, randomCircuits: 12, ...options })
  } finally {
    await model.dispose()
  }
}

const edgeNames = ({ circuit }: DiscoveryValues) =>
  circuit!.edges.map(({ from, to }) => `${from}->${to.includes('.') ? to : `${to}.in`}`).sort()

const verdictOf = (checks: readonly { readonly name: string; readonly verdict: string }[], name: RegExp) =>
  checks.find((check) => name.test(check.name))!.verdict

/** The first pairs of a model: each costs runs of its own. */
const first = (compiled: CompiledModel, count: number) => ({ ...compiled, pairs: compiled.pairs.slice(0, count) })

describe('planted circuits', () => {
  const WAYS: readonly DiscoveryOptions[] = [{}, { way: 'acdc' }]

  it.each(['induction', 'and-gate', 'composition-channel'])(
    '%s: both ways find exactly the edges that matter, and every check holds',
    async (name) => {
      const few = first(compileModel(name, { seed: 2 }), 3)
      const truth = edgesThatMatter(trueEdges(few)).sort()
      for (const options of WAYS) {
        const { values, checks, complete } = await discovered(few, options)
        expect(edgeNames(values)).toEqual(truth)
        expect(complete).toBe(true)
        const own = checks.filter(({ name }) => !/pairs|estimates/.test(name))
        expect(own.filter(({ verdict }) => verdict !== 'holds')).toEqual([])
        expect(values.curve[0]).toMatchObject({ size: 0 })
        expect(values.curve.at(-1)).toMatchObject({ size: values.allEdges })
      }
    },
  )

  it.each(['or-gate', 'backup-head'])(
    'one way of an %s is found, and a check says that there is another',
    async (name) => {
      for (const options of WAYS) {
        const compiled = first(compileModel(name, { seed: 1 }), 2)
        const { values, checks } = await discovered(compiled, options)
        const truth = edgesThatMatter(trueEdges(compiled))
        expect(truth).toEqual(expect.arrayContaining(edgeNames(values)))
        expect(edgeNames(values).length).toBeLessThan(truth.length)
        expect(verdictOf(checks, /the model needs/)).toBe('fails')
        const neighbour = first(compileModel(name, { seed: 1, mislead: 0 }), 2)
        const { values: sound, checks: own } = await discovered(neighbour, options)
        expect(edgeNames(sound).length).toBeGreaterThan(0)
        expect(verdictOf(own, /the model needs/)).toBe('holds')
      }
    },
  )

  it('a circuit of few edges is told apart from a faithful one; other pairs need other edges', async () => {
    const compiled = compileModel('induction', { seed: 3 })
    const small = await discovered(first(compiled, 2), { edges: 2 })
    expect(small.values.circuit!.edges.length).toBeLessThanOrEqual(2)
    expect(verdictOf(small.checks, /is faithful/)).toBe('fails')
    const kinds = ['the follower', 'which token came before'].map((kind) =>
      compiled.pairs.filter(({ changes }) => changes === kind),
    )
    // The second of three is held out: the place to put what the circuit was not found on.
    const mixed = { ...compiled, pairs: [kinds[0]![0]!, kinds[1]![0]!, kinds[0]![1]!] }
    const { values, checks } = await discovered(mixed, { holdOut: true })
    expect(values.pairs.map(({ heldOut }) => heldOut)).toEqual([false, true, false])
    expect(verdictOf(checks, /other pairs/)).toBe('fails')
    const same = { ...compiled, pairs: kinds[1]!.slice(0, 2) }
    expect(verdictOf((await discovered(same, { holdOut: true })).checks, /other pairs/)).toBe('holds')
  })
})

describe('the search', () => {
  it('removing ahead of itself gives what one run per edge gives', async () => {
    const model = await openToy(toy, { backend })
    const graph = edgeGraph(toy)
    const meter = new Meter(model)
    const runs = await circuitPair(model, preparePair(model, PAIR, undefined, undefined), {}, meter)
    const outcomeOf = async (circuit: ReadonlySet<number>) =>
      (await runCircuits(model, graph, runs, [circuit], {}, meter))[0]!
    const rule = { measure: 'metric' as const, threshold: 0.05, difference: runs.cleanMetric - runs.corruptMetric }
    const found = await removeGreedily(
      graph,
      async (circuits) => (await runCircuits(model, graph, runs, circuits, {}, meter)).map((outcome) => [outcome]),
      rule,
      () => {},
    )
    const width = graph.receivers.length
    let kept = new Set(graph.cells)
    let standing = await outcomeOf(kept)
    for (const cell of [...graph.cells].sort((a, b) => (b % width) - (a % width) || b - a)) {
      const without = new Set([...kept].filter((other) => other !== cell))
      const outcome = await outcomeOf(without)
      if (Math.abs(outcome.metric - standing.metric) / Math.abs(rule.difference) >= rule.threshold) continue
      kept = without
      standing = outcome
    }
    expect([...found.kept].sort()).toEqual([...kept].sort())
    expect(found.kept.size).toBeGreaterThan(0)
    expect(found.kept.size + found.removed.length).toBe(graph.cells.length)
    await model.dispose()
  })

  it('beginnings of an order are connected to the output; random circuits lie on paths; dead ends pass nothing on', () => {
    const graph = edgeGraph({ ...toy, n_layers: 3 })
    const scores = graph.senders.flatMap((_, s) => graph.receivers.map((_, r) => Math.sin(7 * s + 3 * r)))
    const order = connectedOrder(graph, scores)
    expect([...order].sort((a, b) => a - b)).toEqual([...graph.cells].sort((a, b) => a - b))
    const heard = new Set<string>(['logits'])
    for (const cell of order) {
      const { sender, receiver } = endsOf(graph, cell)
      expect(heard.has(receiver.name.split('.')[0]!)).toBe(true)
      heard.add(sender.name)
    }
    let state = 1
    const random = () => {
      state = (state * 16807) % 2147483647
      return state / 2147483647
    }
    for (const size of [1, 5, 20]) {
      const drawn = randomCircuit(graph, size, random)
      expect(drawn.size).toBeGreaterThanOrEqual(size)
      expect(liveEdges(graph, drawn)).toEqual(drawn)
    }
    const toLogits = graph.cells.filter((cell) => endsOf(graph, cell).receiver.name === 'logits')
    const live = [...liveEdges(graph, new Set(toLogits))]
    expect(live.map((cell) => endsOf(graph, cell).sender.name)).toEqual(['embed'])
  })

  it('keeps what is done when it is cancelled, and refuses what does not fit', async () => {
    const model = await openToy(toy, { backend })
    for (const way of ['gradient', 'acdc'] as const) {
      const controller = new AbortController()
      const seen: object[] = []
      const { complete, checks, values } = await discoverCircuit(model, [PAIR], {
        way,
        signal: controller.signal,
        onPartial(result) {
          seen.push(result.values)
          controller.abort()
        },
      })
      expect(complete).toBe(false)
      expect(checks).toMatchObject([{ verdict: 'not tested' }])
      expect(values).toEqual(seen.at(-1))
      expect(values.circuit).toBeNull()
    }
    await expect(discoverCircuit(model, [PAIR], { way: 'acdc', edges: 3 })).rejects.toThrow(
      /'edges' belongs to the way 'gradient'/,
    )
    await expect(discoverCircuit(model, [PAIR], { faithfulness: 2 })).rejects.toThrow(/a share between 0 and 1/)
    await expect(discoverCircuit(model, [{ ...PAIR, clean: [1, 4, 2, 5, 3, 3] }])).rejects.toThrow(/6 and 5 tokens/)
    await model.dispose()
  })
})
