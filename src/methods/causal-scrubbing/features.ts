import { DiopterError } from '../../errors/index.ts'
import { indicesWithin } from '../shared/selection.ts'

/** An example of the data, as features see it. */
export interface ScrubExample {
  /** Its number in the data. */
  readonly index: number
  readonly ids: readonly number[]
}

/**
 * What of an example a node is said to depend on. Examples that agree on it are exchanged for each other there.
 * As plain data: the token at a position, whether two positions hold the same token, where the token at a position occurred last before it, which
 * token followed it there, a column of labels (one per example), or several of these together. Positions may count from the end. In the library also
 * any function of the example.
 */
export type Feature =
  | { readonly token: number }
  | { readonly equal: readonly [number, number] }
  | { readonly earlier: number }
  | { readonly follower: number }
  | { readonly label: string }
  | { readonly all: readonly Feature[] }
  | ((example: ScrubExample) => string | number)

/** Columns of labels, one entry per example. */
export type LabelColumns = Readonly<Record<string, readonly (string | number)[]>>

/** The value of a feature for an example. Throws for positions and label columns that there are not. */
export function featureValue(feature: Feature, example: ScrubExample, labels: LabelColumns): string {
  if (typeof feature === 'function') return String(feature(example))
  const { ids, index } = example
  const at = (position: number) => indicesWithin([position], ids.length, 'Position')[0]!
  if ('token' in feature) return String(ids[at(feature.token)])
  if ('equal' in feature) return String(ids[at(feature.equal[0])] === ids[at(feature.equal[1])])
  if ('earlier' in feature) return String(earlierPlace(ids, at(feature.earlier)))
  if ('follower' in feature) {
    const place = earlierPlace(ids, at(feature.follower))
    return place < 0 ? 'none' : String(ids[place + 1])
  }
  if ('all' in feature) return feature.all.map((one) => featureValue(one, example, labels)).join(' | ')
  const column = labels[feature.label]
  if (column?.[index] === undefined)
    throw new DiopterError(
      `The hypothesis speaks of the label '${feature.label}', which has ${column?.length ?? 0} entries; give one for every example (example ${index} has none).`,
    )
  return String(column[index])
}

/** Where a position's token stood last before it; -1 where it did not. */
function earlierPlace(ids: readonly number[], position: number): number {
  return ids.lastIndexOf(ids[position]!, position - 1 < 0 ? -ids.length - 1 : position - 1)
}

/** Whether a feature can be computed for examples that are not in the data. */
export function isComputed(feature: Feature): boolean {
  if (typeof feature === 'function') return true
  return 'all' in feature ? feature.all.every(isComputed) : !('label' in feature)
}

/** A feature in words. */
export function describeFeature(feature: Feature): string {
  if (typeof feature === 'function') return feature.name || 'a function of the example'
  if ('token' in feature) return `token at ${feature.token}`
  if ('equal' in feature) return `whether tokens at ${feature.equal.join(' and ')} are equal`
  if ('earlier' in feature) return `where the token at ${feature.earlier} occurred before`
  if ('follower' in feature) return `token after the earlier token at ${feature.follower}`
  if ('label' in feature) return `label ${feature.label}`
  return feature.all.map(describeFeature).join(', ')
}
