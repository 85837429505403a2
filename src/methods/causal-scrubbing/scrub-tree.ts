import { type Feature, featureValue, type LabelColumns, type ScrubExample } from './features.ts'
import type { PlannedInput, PlannedNode } from './hypothesis.ts'

/**
 * A node of the hypothesis as one of its readers sees it: read twice, it is drawn twice. For every sample, the example that stands in for the
 * reader's, and (with inputs) the one that everything else it reads comes from.
 */
export interface DrawnNode {
  readonly node: PlannedNode
  readonly as: PlannedInput['as']
  readonly donors: readonly number[]
  readonly others: readonly number[]
  readonly inputs: readonly DrawnNode[]
}

/** The examples of one scrubbing: for every sample the one that is asked about, one for all that does not matter, and the drawn inputs. */
export interface DrawnTree {
  readonly references: readonly number[]
  readonly others: readonly number[]
  readonly inputs: readonly DrawnNode[]
}

/** The label of every example, by feature: what examples are exchanged by. */
export type LabelOf = (feature: Feature) => readonly string[]

/** Labels of examples, computed once per feature. */
export function labelsOf(examples: readonly ScrubExample[], columns: LabelColumns): LabelOf {
  const known = new Map<Feature, readonly string[]>()
  return (feature) => {
    const found = known.get(feature) ?? examples.map((example) => featureValue(feature, example, columns))
    known.set(feature, found)
    return found
  }
}

/**
 * Draws all examples of a scrubbing (Chan et al. 2022): every input gets an example that agrees with its reader's on the input's feature, drawn evenly
 * from all that do (its own included), and so on down to nodes without inputs.
 */
export function drawTree(
  inputs: readonly PlannedInput[],
  count: number,
  examples: number,
  labels: LabelOf,
  random: () => number,
): DrawnTree {
  const any = () => Math.floor(random() * examples)
  const references = Array.from({ length: count }, (_, i) => (i < examples ? i : any()))
  const draw = ({ node, as }: PlannedInput, readers: readonly number[]): DrawnNode => {
    const donors = node.feature === undefined ? [...readers] : agreeing(labels(node.feature), readers, random)
    return {
      node,
      as,
      donors,
      others: donors.map(any),
      inputs: (node.inputs ?? []).map((input) => draw(input, donors)),
    }
  }
  // The asked examples in a random order, so that the first samples stand for all.
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[references[i], references[j]] = [references[j]!, references[i]!]
  }
  return { references, others: references.map(any), inputs: inputs.map((input) => draw(input, references)) }
}

function agreeing(labels: readonly string[], readers: readonly number[], random: () => number): number[] {
  const classes = new Map<string, number[]>()
  labels.forEach((label, i) => {
    const members = classes.get(label)
    if (members) members.push(i)
    else classes.set(label, [i])
  })
  return readers.map((reader) => {
    const members = classes.get(labels[reader]!)!
    return members[Math.floor(random() * members.length)]!
  })
}
