import { expect, it } from 'vitest'
import { evaluate } from '../../../test/support/evaluate.ts'
import { randomSource } from '../../../test/support/random.ts'
import { randomTensor } from '../../../test/support/run-graph.ts'
import { input, type Tensor, topologicalOrder } from '../../tensor/index.ts'
import { shareTransposes } from './share-transposes.ts'

const permutations = (outputs: readonly Tensor[]) =>
  topologicalOrder(outputs).flatMap((t) => (t.op === 'transpose' ? [`${t.attributes.permutation}`] : []))

it('keys in two orders are copied once and swapped', () => {
  const keys = randomTensor(randomSource(1), [2, 5, 3, 4], 'float32')
  const outputs = [keys.transpose(0, 2, 3, 1), keys.transpose(0, 2, 1, 3)]
  const shared = shareTransposes(outputs)
  expect(permutations(shared)).toEqual(['0,2,1,3', '0,1,3,2'])
  expect(evaluate(shared)).toEqual(evaluate(outputs))
})

it('one order alone is left as it is', () => {
  const keys = input('keys', [2, 5, 3, 4])
  expect(permutations(shareTransposes([keys.transpose(0, 2, 3, 1)]))).toEqual(['0,2,3,1'])
})

it('what is two orders of another tensor is not shared', () => {
  const [a, b] = [input('a', [2, 5, 3, 4]), input('b', [2, 5, 3, 4])]
  const outputs = [a.transpose(0, 2, 3, 1), b.transpose(0, 2, 1, 3)]
  expect(shareTransposes(outputs)).toEqual(outputs)
})
