import type { CompiledModel } from './compiled-model.ts'
import type { Part } from './parts.ts'
import { type ReferenceRun, referenceRun } from './reference.ts'

/** Positions whose tokens decide what a part holds at the last position: those where one token alone makes a difference. */
export function positionsRead(
  { circuit }: CompiledModel,
  part: Part,
  inputs: readonly (readonly number[])[],
): number[] {
  const held = inputs.map((ids) => {
    const { data, columns } = referenceRun(circuit, ids).held.get(part)!
    return data.subarray(data.length - columns)
  })
  const length = inputs[0]!.length
  return Array.from({ length }, (_, p) => p).filter((position) => {
    const firsts = new Map<string, Float64Array>()
    return inputs.some((ids, i) => {
      const rest = ids.filter((_, p) => p !== position).join()
      const first = firsts.get(rest) ?? held[i]!
      firsts.set(rest, first)
      return first.some((x, c) => Math.abs(x - held[i]![c]!) > TELLING)
    })
  })
}

/** Smaller differences are what sharp attention leaves over. */
const TELLING = 1e-6

/**
 * How much of the model's predictions is explained by "they depend on these parts, and these on the tokens at these positions": every input gets
 * the parts' values from every input that agrees with it there, and all else from every input at all. 1 is all of it, 0 what a random input explains:
 * 1 - mean KL(model || exchanged) / mean KL(model || random input).
 */
export function interchangeExplains(
  { circuit }: CompiledModel,
  parts: readonly Part[],
  positions: readonly number[],
  inputs: readonly (readonly number[])[],
): number {
  const plain = inputs.map((ids) => referenceRun(circuit, ids))
  const predictions = plain.map(({ logits }) => logProbabilities(logits))
  const labels = inputs.map((ids) => positions.map((p) => ids[p]).join())
  // Donors that hold the same are one donor.
  const values = plain.map(({ held }) => parts.map((part) => held.get(part)!.data.join()).join(';'))
  const exchanged = new Map<string, Float64Array>()
  const run = (donor: ReferenceRun, value: string, other: number): Float64Array => {
    const key = `${other}|${value}`
    const known = exchanged.get(key)
    if (known) return known
    const set = new Map(parts.map((part) => [part, donor.held.get(part)!]))
    const found = logProbabilities(referenceRun(circuit, inputs[other]!, { set }).logits)
    exchanged.set(key, found)
    return found
  }
  let [explained, random, count, pairs] = [0, 0, 0, 0]
  inputs.forEach((_, x) => {
    inputs.forEach((__, other) => {
      random += kl(predictions[x]!, predictions[other]!)
      pairs++
      inputs.forEach((___, donor) => {
        if (labels[donor] !== labels[x]) return
        explained += kl(predictions[x]!, run(plain[donor]!, values[donor]!, other))
        count++
      })
    })
  })
  return 1 - explained / count / (random / pairs)
}

function logProbabilities(logits: Float64Array): Float64Array {
  const most = Math.max(...logits)
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0)
  return logits.map((logit) => logit - most - Math.log(total))
}

function kl(p: Float64Array, q: Float64Array): number {
  return p.reduce((sum, logP, i) => sum + Math.exp(logP) * (logP - q[i]!), 0)
}
