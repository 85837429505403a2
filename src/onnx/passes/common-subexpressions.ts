import { Tensor, type TypedArray } from '../../tensor/index.ts'
import { attributeText } from '../hash.ts'
import { rewrite } from './rewrite.ts'

/** Nodes that compute the same thing become one; lifted constants are the same when they share their array. */
export function shareCommonSubexpressions(outputs: readonly Tensor[]): Tensor[] {
  const known = new Map<string, Tensor>()
  const arrays = new Map<TypedArray, number>()
  const arrayNumber = (array: TypedArray | undefined) => {
    if (array === undefined) return ''
    if (!arrays.has(array)) arrays.set(array, arrays.size)
    return `@${arrays.get(array)}`
  }
  return rewrite(outputs, (t, inputs) => {
    const key = `${t.op} ${inputs.map((i) => i.id)} ${attributeText(t.attributes)} ${arrayNumber(t.value)}`
    const equal = known.get(key)
    if (equal) return equal
    const kept = inputs.every((input, i) => input === t.inputs[i]) ? t : new Tensor(t.op, inputs, t.attributes, t.value)
    known.set(key, kept)
    return kept
  })
}
