import { describe, it } from 'vitest'
import { expectQuickVersionHolds } from '../support/quick-experiment.ts'

describe('the short version of a reproduction holds its bars', () => {
  it('grokking', { timeout: 900_000 }, () => expectQuickVersionHolds('grokking'))
})
