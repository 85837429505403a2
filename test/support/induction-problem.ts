import * as v from 'valibot'
import type { Problem } from '../../src/train/index.ts'
import { type InductionConfig, induction } from '../../src/train/tasks/induction.ts'

/** A small config of the induction task, and a problem of it. */
export function inductionProblem(seed: number): { readonly config: InductionConfig; readonly problem: Problem } {
  const config = v.parse(induction.schema, { d_model: 256, n_heads: 2, n_ctx: 64, vocabulary: 64, batchSize: 4 })
  const problem = induction.create(config, seed, {
    readFile: () => Promise.reject(new Error('the induction task reads no files')),
  })
  return { config, problem: problem as Problem }
}

/** Axes of the residual stream: the token, the token before it, and (in queries and keys only) the position. */
const [TOKEN, BEFORE, POSITION] = [0, 80, 160]
/** Attention scores of a match, before they are divided by sqrt(d_head). */
const SHARP = 800
/** What the induction head adds to the logit of the token that it attends to. */
const RAISE = 5

/**
 * Parameters of `inductionProblem` with an induction circuit made by hand: L0H0 attends to the previous token and writes
 * it; L1H0 looks for keys whose previous token is the query's, and raises their tokens. The other heads do nothing.
 */
export function plantedInduction({ config, problem }: ReturnType<typeof inductionProblem>): Map<string, Float32Array> {
  const { d_model, n_heads, n_ctx, vocabulary } = config
  const d_head = d_model / n_heads
  const tokens = vocabulary + 1
  const tensors = new Map(
    [...problem.model!.checkpoint(problem.initial())].map(([name, { shape }]) => [
      name,
      new Float32Array(shape.reduce((a, b) => a * b, 1)),
    ]),
  )
  const plant = (
    name: string,
    count: number,
    columns: number,
    place: (i: number) => readonly [number, number],
    x = 1,
  ) => {
    for (let i = 0; i < count; i++) {
      const [row, column] = place(i)
      tensors.get(name)![row * columns + column] = x
    }
  }
  plant('embed.W_E', tokens, d_model, (i) => [i, TOKEN + i])
  plant('pos_embed.W_pos', n_ctx, d_model, (i) => [i, POSITION + i])
  plant('unembed.W_U', vocabulary, vocabulary, (i) => [TOKEN + i, i])
  // head 0 comes first in [heads, d, e] and [heads, e, d]
  plant('blocks.0.attn.W_Q', n_ctx - 1, d_head, (i) => [POSITION + i + 1, i], SHARP)
  plant('blocks.0.attn.W_K', n_ctx, d_head, (i) => [POSITION + i, i])
  plant('blocks.0.attn.W_V', tokens, d_head, (i) => [TOKEN + i, i])
  plant('blocks.0.attn.W_O', tokens, d_model, (i) => [i, BEFORE + i])
  plant('blocks.1.attn.W_Q', tokens, d_head, (i) => [TOKEN + i, i], SHARP)
  plant('blocks.1.attn.W_K', tokens, d_head, (i) => [BEFORE + i, i])
  plant('blocks.1.attn.W_V', tokens, d_head, (i) => [TOKEN + i, i])
  plant('blocks.1.attn.W_O', tokens, d_model, (i) => [i, TOKEN + i], RAISE)
  return problem.model!.fromCheckpoint(tensors)
}
