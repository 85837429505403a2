import { DiopterError } from '../../errors/index.ts'
import type { Activation, ArrayValue, Edit, Model, Prompt, TokenizedPrompt } from '../../lab/index.ts'
import { ofPrompt } from '../../lab/index.ts'
import { sizeOf } from '../../tensor/index.ts'
import { alignPrompts, type PromptAlignment } from '../../tokenizer/align.ts'
import { type AskedMetric, askMetric, type MetricName, type NamedToken, type Token } from '../shared/question.ts'
import type { Cell } from './patch-grid.ts'

/** Two prompts that differ in what matters. The answer is the clean prompt's, the wrong token the corrupted one's. */
export interface PromptPair {
  readonly clean: Prompt
  readonly corrupt: Prompt
  readonly answer: Token
  readonly wrong?: Token | undefined
}

/** A pair as the model reads it. */
export interface PreparedPair {
  readonly clean: TokenizedPrompt
  readonly corrupt: TokenizedPrompt
  readonly asked: AskedMetric
  readonly alignment: PromptAlignment
}

/** A pair in a result: what was read, and the metric of both runs. */
export interface MeasuredPair {
  readonly clean: TokenizedPrompt
  readonly corrupt: TokenizedPrompt
  readonly answer: NamedToken | null
  readonly wrong: NamedToken | null
  readonly cleanMetric: number
  readonly corruptMetric: number
}

/** Which activations go where. */
export type Direction = 'clean_into_corrupted' | 'corrupted_into_clean'

/** One side of a pair gives activations, the other takes them. */
export interface Route {
  readonly source: TokenizedPrompt
  readonly target: TokenizedPrompt
  /** For every position of the target, the source's position that corresponds to it; null where none does. */
  readonly sourceOf: readonly (number | null)[]
  readonly equalLength: boolean
}

/** Tokenizes and aligns a pair. Throws for the loss as metric, and when no position of one prompt corresponds to any of the other. */
export function preparePair(
  model: Model,
  pair: PromptPair,
  metric: MetricName | undefined,
  prependBos: boolean | undefined,
): PreparedPair {
  if (metric === 'loss')
    throw new DiopterError(
      'The loss of two prompts is about two different texts, so patching cannot restore it; use logit_difference, logit or log_probability.',
    )
  const clean = model.tokenize(pair.clean, prependBos)
  const corrupt = model.tokenize(pair.corrupt, prependBos)
  const sides = [clean, corrupt].map(({ ids, tokens }) => ({ ids: [...ids], tokens: [...tokens] }))
  const alignment = alignPrompts(sides[0]!, sides[1]!)
  if (alignment.positions.every((column) => column.clean === null || column.corrupt === null))
    throw new DiopterError(`Nothing can be patched between these prompts.\n${alignment.explanation}`)
  return { clean, corrupt, asked: askMetric(model, pair, metric), alignment }
}

export function routeOf({ clean, corrupt, alignment }: PreparedPair, direction: Direction): Route {
  const into = direction === 'clean_into_corrupted' ? 'corrupt' : 'clean'
  const from = into === 'clean' ? 'corrupt' : 'clean'
  const [source, target] = into === 'clean' ? [corrupt, clean] : [clean, corrupt]
  const sourceOf = new Array<number | null>(target.ids.length).fill(null)
  for (const column of alignment.positions) if (column[into] !== null) sourceOf[column[into]] = column[from]
  return { source, target, sourceOf, equalLength: alignment.equalLength }
}

/**
 * The source's activation with the target's positions: [P, ...] or [H, Q, K]; what has no counterpart is zero, and is never
 * patched. Throws for patterns of prompts of unequal length, whose rows do not correspond.
 */
export function sourceValues(activation: Activation, { sourceOf, equalLength }: Route, prompt = 0): ArrayValue {
  const own = ofPrompt(activation, prompt)
  if (equalLength) return own
  if (activation.axes.includes('query'))
    throw new DiopterError(
      'Attention patterns can only be patched between prompts of equal length: the keys of one row have no counterparts. Patch q, k, v or z instead.',
    )
  const size = sizeOf(own.shape.slice(1))
  const data = new Float32Array(sourceOf.length * size)
  sourceOf.forEach((from, position) => {
    if (from !== null) data.set(own.data.subarray(from * size, (from + 1) * size) as Float32Array, position * size)
  })
  return { shape: [sourceOf.length, ...own.shape.slice(1)], data }
}

/** The positions of the target that a cell patches: those with a counterpart. Empty when there are none. */
export function patchedPositions(cell: Cell, { sourceOf }: Route): number[] {
  const asked = cell.positions ?? sourceOf.map((_, position) => position)
  return asked.filter((position) => sourceOf[position] !== null)
}

/** The edit that patches a cell; undefined when nothing of it has a counterpart. */
export function patchEdit(cell: Cell, value: ArrayValue, route: Route): Edit | undefined {
  const positions = patchedPositions(cell, route)
  if (positions.length === 0) return undefined
  return {
    hook: cell.hook,
    kind: 'replace',
    value,
    ...(positions.length === route.sourceOf.length ? {} : { positions }),
    ...(cell.head === undefined ? {} : { heads: [cell.head] }),
    ...(cell.neuron === undefined ? {} : { neurons: [cell.neuron] }),
  }
}
