import { describe, expect, it } from 'vitest'
import type { LogEntry } from '../../train/index.ts'
import { phasesOf } from './phases.ts'
import type { SnapshotMeasures } from './snapshot-measures.ts'
import { halfwayAfter, progressBefore, transitionsOf, valueAt } from './transitions.ts'

/** A log with an evaluation every 10 steps. */
function log(points: readonly { loss: number; train: number; test: number }[]): LogEntry[] {
  return points.map(({ loss, train, test }, i) => ({
    step: 10 * i,
    values: { 'train/loss': loss, 'train/accuracy': train, 'test/accuracy': test },
  }))
}

describe('transitions', () => {
  it('are intervals between the evaluations before and after, and generalising counts from when it stays', () => {
    const found = transitionsOf(
      log([
        { loss: 4, train: 0.1, test: 0 },
        { loss: 0.005, train: 0.99, test: 0 },
        { loss: 0.02, train: 1, test: 0.2 },
        { loss: 0.009, train: 1, test: 0.05 },
        { loss: 0.001, train: 1, test: 0.96 },
        { loss: 0.001, train: 1, test: 0.94 },
        { loss: 0.001, train: 1, test: 0.97 },
        { loss: 0.001, train: 1, test: 0.99 },
      ]),
    )
    expect(found).toEqual({
      memorised: { from: 20, to: 30 },
      firstGeneralised: { from: 30, to: 40 },
      generalised: { from: 50, to: 60 },
      rise: { from: 30, to: 40 },
    })
  })

  it('are null for what never happens, or does not last', () => {
    const found = transitionsOf(
      log([
        { loss: 4, train: 0.1, test: 0 },
        { loss: 0.02, train: 1, test: 1 },
        { loss: 0.02, train: 1, test: 0.9 },
      ]),
    )
    expect(found).toEqual({
      memorised: null,
      firstGeneralised: { from: 0, to: 10 },
      generalised: null,
      rise: null,
    })
  })
})

describe('progress that is hidden', () => {
  // seen: rises to its peak 10 at step 2, has fallen by 10 % of its fall at step 4, and ends at 0
  const seen = { steps: [0, 1, 2, 3, 4, 5], values: [4, 9, 10, 9.5, 9, 0] }

  it('is the share of the hidden fall that is done when the seen one is noticed', () => {
    expect(progressBefore({ steps: [0, 2, 4, 5], values: [9, 8, 2, 0] }, seen, 2, 5, 0.1)).toBeCloseTo(6 / 8, 12)
    expect(progressBefore({ steps: [0, 2, 4, 5], values: [9, 8, 8, 0] }, seen, 2, 5, 0.1)).toBe(0)
    expect(progressBefore({ steps: [0, 2, 5], values: [9, 8, 2] }, seen, 2, 5, 0.1)).toBeCloseTo(2 / 3, 12)
  })

  it('is not a number when either does not fall', () => {
    expect(progressBefore({ steps: [0, 5], values: [1, 2] }, seen, 2, 5, 0.1)).toBeNaN()
    expect(progressBefore(seen, { steps: [0, 5], values: [1, 1] }, 0, 5, 0.1)).toBeNaN()
  })

  it('and its halfway point are read between snapshots', () => {
    expect(valueAt(seen, 0.5)).toBeCloseTo(6.5, 12)
    expect(valueAt(seen, 9)).toBe(0)
    expect(halfwayAfter(seen, 1)).toBe(5)
    expect(halfwayAfter({ steps: [1, 2, 3, 4], values: [0, 6, 4, 10] }, 1)).toBe(4)
  })
})

describe('phases', () => {
  const snapshot = (step: number, excluded: number, test: number, squares: number) =>
    ({ step, excluded, test, squares }) as SnapshotMeasures
  const run = [
    snapshot(1, 4, 4, 50),
    snapshot(10, 0.5, 9, 100),
    snapshot(20, 0.1, 10, 90),
    snapshot(40, 1, 9, 80),
    snapshot(60, 3, 6, 70),
    snapshot(80, 4, 3, 60),
    snapshot(90, 5, 0.1, 25),
    snapshot(100, 5, 0.01, 22),
    snapshot(110, 5, 0.01, 20),
  ]
  const transitions = transitionsOf(
    log(Array.from({ length: 12 }, (_, i) => ({ loss: 0.001, train: 1, test: i < 9 ? 0 : 1 }))),
  )

  it('are read off excluded loss, test loss and the weights', () => {
    expect(phasesOf(run, transitions)).toEqual([
      { name: 'memorising', from: 0, to: 20 },
      { name: 'circuit forms', from: 20, to: 80 },
      { name: 'clean-up', from: 80, to: 100 },
    ])
  })

  it('are none in a run that never generalised', () => {
    expect(phasesOf(run, { ...transitions, generalised: null })).toEqual([])
  })
})
