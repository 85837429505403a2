import { describe, it } from 'vitest'
import { experiments } from '../../src/experiments/index.ts'
import { expectQuickVersionHolds } from '../support/quick-experiment.ts'

/** Grokking has a file of its own, so that it runs beside these; the text model needs a corpus that no clone has. */
const ELSEWHERE = ['grokking', 'text']
const names = experiments.map(({ name }) => name).filter((name) => !ELSEWHERE.includes(name))

describe('the short version of a reproduction holds its bars', () => {
  it.each(names)('%s', { timeout: 600_000 }, expectQuickVersionHolds)
})
