import { afterAll, describe, expect, it } from 'vitest'
import { openToy, toyForms } from '../../../test/support/toy-model.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { openCompiled } from '../../lab/index.ts'
import {
  compileModel,
  type Edge,
  edgeName,
  edgesOf,
  referenceRun,
  trueLogitDifference,
} from '../../models/compiled/index.ts'
import { edgeRuns } from '../edge-attribution/edge-inputs.ts'
import { preparePair } from '../patching/prompt-pair.ts'
import { edgePlan } from '../path-patching/path-patch-plan.ts'
import { patchEdges } from '../path-patching/path-patch-sweep.ts'
import { Meter } from '../shared/result.ts'
import { shuffledIndices } from '../shared/statistics.ts'
import { circuitPair, runCircuits } from './circuit-runs.ts'
import { edgeGraph, endsOf } from './edge-graph.ts'

const backend = createNodeBackend({ threads: 1 })
afterAll(() => backend.dispose())

const PAIR = { clean: [1, 4, 2, 5, 3], corrupt: [1, 6, 2, 0, 3], answer: 0, wrong: 2 }

describe.each(Object.entries(toyForms))('circuits of a toy: %s', (_, config) => {
  it('all edges are the clean run, none the corrupted one, all but one an exact path patch; one graph', async () => {
    const model = await openToy(config, { backend })
    const meter = new Meter(model)
    const pair = preparePair(model, PAIR, undefined, undefined)
    const runs = await circuitPair(model, pair, {}, meter)
    const graph = edgeGraph(config)
    const without = graph.cells.map((cell) => new Set(graph.cells.filter((other) => other !== cell)))
    const before = model.engine.statistics
    const [all, none, ...others] = await runCircuits(
      model,
      graph,
      runs,
      [new Set(graph.cells), new Set(), ...without],
      {},
      meter,
    )
    const { compiles, runs: batches } = model.engine.statistics
    expect(batches - before.runs).toBe(Math.ceil((without.length + 2) / 16))
    // The second is the promotion to resident weights.
    expect(compiles - before.compiles).toBeLessThanOrEqual(2)
    expect(all!.metric).toBeCloseTo(runs.cleanMetric, 4)
    expect(all!.kl).toBeCloseTo(0, 5)
    expect(none!.metric).toBeCloseTo(runs.corruptMetric, 4)
    expect(none!.kl).toBeGreaterThan(1e-5)
    const plan = edgePlan(model, PAIR.clean.length, { receivers: ['all'] })
    const patched = await patchEdges(
      model,
      await edgeRuns(model, pair, 'corrupted_into_clean', plan.receivers, {}, meter),
      plan,
      {},
      meter,
    )
    graph.cells.forEach((cell, i) => {
      expect(others[i]!.metric - runs.cleanMetric).toBeCloseTo(patched.effects[cell]!, 4)
    })
    await model.dispose()
  })
})

describe.each(['induction', 'xor-gate', 'backup-head', 'dominated-norm', 'erasing-layer'])('circuits of %s', (name) => {
  it('random circuits and their complements are what the reference computes', async () => {
    const compiled = compileModel(name, { seed: 4 })
    const model = await openCompiled(compiled, backend)
    const graph = edgeGraph(model.config)
    const nameOf = (cell: number) => {
      const { sender, receiver } = endsOf(graph, cell)
      return `${sender.name}->${receiver.name.includes('.') ? receiver.name : `${receiver.name}.in`}`
    }
    expect(new Set(graph.cells.map(nameOf))).toEqual(new Set(edgesOf(compiled.circuit).map(edgeName)))
    const circuits = [0.2, 0.5, 0.8].map((share, seed) => {
      const order = shuffledIndices(graph.cells.length, seed)
      return new Set(order.slice(0, Math.round(share * order.length)).map((i) => graph.cells[i]!))
    })
    for (const pair of compiled.pairs.slice(0, 3)) {
      const meter = new Meter(model)
      const runs = await circuitPair(model, preparePair(model, pair, undefined, undefined), {}, meter)
      const found = await runCircuits(model, graph, runs, circuits, {}, meter)
      const corrupt = referenceRun(compiled.circuit, pair.corrupt).held
      circuits.forEach((circuit, i) => {
        const names = new Set([...circuit].map(nameOf))
        const edges = edgesOf(compiled.circuit)
          .filter((edge) => !names.has(edgeName(edge)))
          .map((edge: Edge) => ({ edge, value: corrupt.get(edge.from)! }))
        const truth = trueLogitDifference(referenceRun(compiled.circuit, pair.clean, { edges }), pair)
        expect(found[i]!.metric).toBeCloseTo(truth, 3)
      })
    }
    await model.dispose()
  })
})
