import type { Model } from '../../src/lab/index.ts'
import type { ModelConfig } from '../../src/models/index.ts'
import { openToy } from './toy-model.ts'
import { toyConfig } from './toy-models.ts'

const VOCABULARY = 30
const CONTEXT = 64
/** Residual stream: the token, its position, and (written by the previous-token head) the token before. */
const [TOKEN, POSITION, BEFORE] = [0, VOCABULARY, VOCABULARY + CONTEXT]
const WIDTH = 2 * VOCABULARY + CONTEXT
const HEAD = CONTEXT
/** Attention scores of a match, before they are divided by sqrt(d_head). */
const SHARP = 400

export const inductionConfig: ModelConfig = toyConfig({
  attn_only: true,
  normalization_type: null,
  final_norm: false,
  d_model: WIDTH,
  n_heads: 2,
  d_head: HEAD,
  n_ctx: CONTEXT,
  d_vocab: VOCABULARY,
})

/** [heads][d][e] or [heads][e][d] as sparse entries; what is not named stays small noise. */
type Entries = readonly (readonly [row: number, column: number, value: number])[]
const run = (length: number, entry: (i: number) => readonly [number, number, number]): Entries =>
  Array.from({ length }, (_, i) => entry(i))

const inward: Record<string, readonly [Entries | null, Entries | null]> = {
  // L0H0 previous token: the query at position i looks for key i - 1. L0H1 current token.
  'blocks.0.attn.W_Q': [
    run(CONTEXT - 1, (i) => [POSITION + i + 1, i, SHARP]),
    run(CONTEXT, (i) => [POSITION + i, i, SHARP]),
  ],
  'blocks.0.attn.W_K': [run(CONTEXT, (i) => [POSITION + i, i, 1]), run(CONTEXT, (i) => [POSITION + i, i, 1])],
  'blocks.0.attn.W_V': [run(VOCABULARY, (i) => [TOKEN + i, i, 1]), null],
  // L1H0 induction: the query's token looks for keys whose previous token it is, and copies their tokens. L1H1 noise.
  'blocks.1.attn.W_Q': [run(VOCABULARY, (i) => [TOKEN + i, i, SHARP]), null],
  'blocks.1.attn.W_K': [run(VOCABULARY, (i) => [BEFORE + i, i, 1]), null],
  'blocks.1.attn.W_V': [run(VOCABULARY, (i) => [TOKEN + i, i, 1]), null],
}
const outward: Record<string, readonly [Entries | null, Entries | null]> = {
  'blocks.0.attn.W_O': [run(VOCABULARY, (i) => [i, BEFORE + i, 1]), null],
  'blocks.1.attn.W_O': [run(VOCABULARY, (i) => [i, TOKEN + i, 20]), null],
}

function built(name: string, noise: Float32Array): Float32Array {
  const fill = (entries: Entries, columns: number, size: number) => {
    const data = new Float32Array(size)
    for (const [row, column, value] of entries) data[row * columns + column] = value
    return data
  }
  if (name === 'embed.W_E')
    return fill(
      run(VOCABULARY, (i) => [i, TOKEN + i, 1]),
      WIDTH,
      noise.length,
    )
  if (name === 'pos_embed.W_pos')
    return fill(
      run(CONTEXT, (i) => [i, POSITION + i, 1]),
      WIDTH,
      noise.length,
    )
  if (name === 'unembed.W_U')
    return fill(
      run(VOCABULARY, (i) => [TOKEN + i, i, 1]),
      VOCABULARY,
      noise.length,
    )
  const heads = inward[name] ?? outward[name]
  if (!heads) return noise.map(() => 0)
  const size = noise.length / 2
  const data = noise.map((x) => 0.02 * x)
  heads.forEach((entries, head) => {
    if (entries) data.set(fill(entries, name in inward ? HEAD : WIDTH, size), head * size)
  })
  return data
}

/**
 * An attention-only model built by hand: L0H0 attends to the previous token and passes it on, L0H1 to its own position,
 * L1H0 is an induction head that reads L0H0 as its key, L1H1 does nothing in particular.
 */
export function openInductionToy(): Promise<Model> {
  return openToy(inductionConfig, { change: built })
}
