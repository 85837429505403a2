import type { Forward } from '../../models/forward.ts'

/** The half of a `Forward` that knows where tokens lie: the batch of a run, a decoding step, a staircase of variants. */
export type Layout = Omit<Forward, 'config' | 'weight' | 'hasWeight' | 'hook' | 'wants'>

/** Additive attention mask values: 0 where a query sees a key, -inf elsewhere. */
export function maskValues(count: number, sees: (index: number) => boolean): Float32Array {
  const data = new Float32Array(count)
  for (let i = 0; i < count; i++) if (!sees(i)) data[i] = Number.NEGATIVE_INFINITY
  return data
}

/** Makes each distinct key once. */
export function memo<K, V>(make: (key: K) => V): (key: K) => V {
  const known = new Map<K, V>()
  return (key) => {
    if (!known.has(key)) known.set(key, make(key))
    return known.get(key)!
  }
}
