import { DiopterError } from '../../errors/index.ts'
import type { ModelConfig } from '../../models/index.ts'
import { allReceivers, type ReadAs, reaches, type Sender, sendersNamed } from '../edge-attribution/edge-parts.ts'
import { indicesWithin } from '../shared/selection.ts'
import type { Feature, LabelColumns } from './features.ts'

/** Something that a node reads: another node, and (of heads) in which ways; all unless said. */
export interface HypothesisInput {
  readonly node: string
  readonly as?: readonly ReadAs[] | undefined
}

/** Parts of the model that do one thing, and what that depends on. */
export interface HypothesisNode {
  readonly name: string
  /** `embed`, `L0H1`, `L0MLP`, or groups such as `heads`. */
  readonly parts: readonly string[]
  /** Where what they write matters; everywhere unless said. Negative ones count from the end. */
  readonly positions?: readonly number[] | undefined
  /** What of the example it depends on: nothing else of it matters. The whole example unless said. */
  readonly feature?: Feature | undefined
  /** What it reads that matters: all else that it reads is replaced at random. Without inputs, the node is taken from one example as it is. */
  readonly inputs?: readonly (string | HypothesisInput)[] | undefined
}

/** What matters for what: a graph of nodes that ends in the logits of the last position. What is not in it does not matter. */
export interface Hypothesis {
  /** What the logits read that matters. */
  readonly output: readonly string[]
  readonly nodes: readonly HypothesisNode[]
  /** Columns of labels that features speak of, one entry per example. */
  readonly labels?: LabelColumns | undefined
}

/** A node as a model has it. */
export interface PlannedNode {
  readonly name: string
  readonly senders: readonly Sender[]
  readonly positions: readonly number[]
  readonly feature: Feature | undefined
  readonly inputs: readonly PlannedInput[] | null
}

/** What is read, and how. */
export interface PlannedInput {
  readonly node: PlannedNode
  readonly as: readonly ReadAs[]
}

/** The inputs of the logits, with all that they read. Throws for names that there are not, for inputs that come too late, and for circles. */
export function planHypothesis(config: ModelConfig, { output, nodes }: Hypothesis, length: number): PlannedInput[] {
  const byName = new Map(nodes.map((node) => [node.name, node]))
  if (byName.size < nodes.length)
    throw new DiopterError('Two nodes of the hypothesis have the same name; give each its own.')
  const planned = new Map<string, PlannedNode>()
  const open = new Set<string>()
  const plan = (name: string, reader: string): PlannedNode => {
    const known = planned.get(name)
    if (known) return known
    const node = byName.get(name)
    if (!node)
      throw new DiopterError(
        `${reader} reads '${name}', which is no node of the hypothesis; there are ${[...byName.keys()].join(', ') || 'none'}.`,
      )
    if (open.has(name)) throw new DiopterError(`The hypothesis goes in a circle: '${name}' would read itself.`)
    open.add(name)
    const senders = sendersNamed(config, node.parts)
    const inputs = node.inputs?.map((input) => {
      const { node: from, as } = typeof input === 'string' ? { node: input, as: undefined } : input
      return { node: plan(from, `'${name}'`), as: as ?? (['q', 'k', 'v', 'in'] as const) }
    })
    if (inputs) requireReadable(config, name, senders, inputs)
    open.delete(name)
    const result = {
      name,
      senders,
      positions: indicesWithin(node.positions, length, 'Position'),
      feature: node.feature,
      inputs: inputs ?? null,
    }
    planned.set(name, result)
    return result
  }
  if (output.length === 0)
    throw new DiopterError('The output of the hypothesis reads nothing; name a node in `output`.')
  const read = output.map((name): PlannedInput => ({ node: plan(name, 'The output'), as: ['in'] }))
  const unused = nodes.find(({ name }) => !planned.has(name))
  if (unused)
    throw new DiopterError(
      `Nothing in the hypothesis reads the node '${unused.name}': name it in an input, or leave it out.`,
    )
  return read
}

/** Throws unless the parts of a node read at one place, behind all that they are said to read. */
function requireReadable(
  config: ModelConfig,
  name: string,
  senders: readonly Sender[],
  inputs: readonly PlannedInput[],
): void {
  if (new Set(senders.map(({ depth }) => depth)).size > 1 || senders.some(({ kind }) => kind === 'embed'))
    throw new DiopterError(
      `The node '${name}' has inputs, so its parts must be heads of one layer, or one MLP; make a node of each layer.`,
    )
  const { kind, layer } = senders[0]!
  const [reader] = allReceivers(config).filter(
    (receiver) => receiver.layer === layer && (receiver.as === 'in') === (kind === 'mlp'),
  )
  for (const { node } of inputs) {
    const late = node.senders.find((sender) => !reaches(sender, reader!))
    if (late)
      throw new DiopterError(`'${name}' cannot read ${late.name} of the node '${node.name}', which writes later.`)
  }
}
