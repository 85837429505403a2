import { DiopterError } from '../../errors/index.ts'
import type { Model, TokenizedPrompt } from '../../lab/index.ts'
import { type CellGrid, type CellOptions, cellGrid } from './patch-grid.ts'
import type { PreparedPair } from './prompt-pair.ts'

/** Throws unless the pairs have the same cells, as means over pairs need. */
export function comparablePairs(model: Model, pairs: readonly PreparedPair[], options: CellOptions): void {
  const grid = cellGrid(model.config, pairs[0]!.corrupt.ids.length, options)
  if (!grid.axes.includes('position') || options.positions !== undefined) return
  for (const side of ['clean', 'corrupt'] as const) {
    const lengths = [...new Set(pairs.map((pair) => pair[side].ids.length))]
    if (lengths.length > 1)
      throw new DiopterError(
        `A sweep by position averages the pairs position by position, but their ${side} prompts have ${lengths.join(', ')} tokens. Use pairs of one length, sweep by layer or head, or name positions that all pairs have (such as -1).`,
      )
  }
}

/**
 * What the indices of every axis stand for; a position is its token where all prompts have the same one there. Heads of keys
 * and values that heads share are the axis `key_value_head`.
 */
export function sweepAxes(
  grid: CellGrid,
  targets: readonly TokenizedPrompt[],
): Readonly<Record<string, readonly (number | string)[]>> {
  const [first] = targets as [TokenizedPrompt]
  const labels = {
    layer: grid.layers,
    position: grid.positions.map((p) =>
      targets.every((target) => target.ids[p] === first.ids[p]) ? first.tokens[p]! : `#${p}`,
    ),
    head: grid.heads,
    neuron: grid.neurons,
  }
  return Object.fromEntries(
    grid.axes.map((axis) => [axis === 'head' && grid.sharedHeads ? 'key_value_head' : axis, labels[axis]]),
  )
}
