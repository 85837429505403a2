/**
 * Behavioural copying: does a head raise the tokens that it would attend to? (Olsson et al. 2209.11895.)
 *
 * Runs: random tokens. What the head would write if it attended to one token alone goes through the final norm's weight
 * and the unembedding (the direct path); the mean logit of the vocabulary is taken away, and what remains below zero counts as
 * zero. With the sample's tokens in turn as the attended one,
 *
 *     ratio = mean of  (raise of the attended token) / (raise of all tokens in the sample),    score = 4 ratio - 1, at most 1
 *
 * so 1 means that half of all raise or more goes to the attended token, and -1 that none does; chance is 4 / tokens - 1.
 *
 * How it misleads: it says nothing about where the head attends. A head that copies through later layers, or suppresses
 * what it attends to, scores low.
 */
import type { Model, PromptArray, Readout, ReadoutContext } from '../../lab/index.ts'
import type { ModelConfig } from '../../models/index.ts'
import { constant, einsum, iota, stack, type Tensor, tensor } from '../../tensor/index.ts'
import type { MethodOptions } from '../shared/options.ts'
import { perHead } from '../shared/per-head.ts'
import type { PerHead, Runner } from './head-patterns.ts'
import type { RepeatedTokens } from './repeated-tokens.ts'

/** Where a sample stands: `start` is 1 after a start token, and `tokens` are its different tokens. */
export interface CopySample {
  readonly start: number
  readonly tokens: readonly number[]
}

/** The copying scores of all heads on every sequence, each of which is read up to the end of its first copy. */
export async function copyingScores(
  model: Model,
  { sequences, startToken, period }: RepeatedTokens,
  { edits, signal }: MethodOptions = {},
  runner: Runner = model,
): Promise<PerHead[]> {
  const start = startToken === null ? 0 : 1
  const prompts = sequences.map((ids) => ids.slice(0, start + period))
  const samples = prompts.map((ids) => ({ start, tokens: ids.slice(start) }))
  const run = await runner.run(prompts, { edits, signal, readout: copyingReadout(model.config, samples) })
  return run.readout.copying!.map((array) => readCopying(array, model.config))
}

/** Computes `copying`, [n, layer, head], inside a run over prompts that begin with their samples. */
export function copyingReadout(config: ModelConfig, samples: readonly CopySample[]): Readout {
  const layers = Array.from({ length: config.n_layers }, (_, layer) => `blocks.${layer}.attn`)
  return {
    reads: layers.map((name) => `${name}.hook_v`),
    trace(context) {
      const scores = layers.map((_, layer) => traceCopying(context, config, layer, samples))
      return { copying: stack(scores, 1) }
    },
  }
}

/** One prompt's part of what `copyingReadout` computes. */
export function readCopying({ data }: PromptArray, { n_layers, n_heads }: ModelConfig): PerHead {
  return Array.from({ length: n_layers }, (_, l) =>
    Array.from(data.slice(l * n_heads, (l + 1) * n_heads) as Float32Array, Number),
  )
}

/** [n, H] */
function traceCopying(
  context: ReadoutContext,
  config: ModelConfig,
  layer: number,
  samples: readonly CopySample[],
): Tensor {
  const drawn = context.prompts.map((prompt) => samples[prompt]!)
  const { start, tokens } = drawn[0]!
  const count = tokens.length
  const columns = readingColumns(context, config, layer)
  const ids = tensor(
    drawn.flatMap((sample) => [...sample.tokens]),
    [drawn.length * count],
    'int64',
  )
  // [d, V] -> [d, n * count] -> [d, n, count], less the mean over the vocabulary
  const chosen = columns.gather(ids, 1).reshape(config.d_model, drawn.length, count)
  const raising = chosen.sub(columns.mean(1, true).unsqueeze(2))
  const outputs = context.weight(`blocks.${layer}.attn.W_O`)
  const values = context.activation(`blocks.${layer}.attn.hook_v`).slice(1, start, start + count)
  // Heads of a group share values: [n, q, Hk, e] -> [n, q, H, e].
  const grouped = perHead(config, values, 2)
  // What the head's values write along every token of the sample: [n, H, e, s], then [n, H, q, s].
  const reading = einsum('hed,dns->nhes', outputs, raising)
  const raise = einsum('nqhe,nhes->nhqs', grouped, reading).relu()
  const own = iota(count).unsqueeze(1).equal(iota(count).unsqueeze(0)).cast(raise.dtype) // [q, s]
  // A head that raises nothing copies nothing.
  const ratio = raise
    .mul(own)
    .sum(-1)
    .div(raise.sum(-1).maximum(constant(1e-30)))
  return ratio.mean(-1).mul(constant(4)).sub(constant(1)).minimum(constant(1))
}

/** The unembedding [d, V] as attention's output reaches it: through norm weights, whose scales cancel in the ratio. */
export function readingColumns(
  { weight, hasWeight }: Pick<ReadoutContext, 'weight' | 'hasWeight'>,
  config: ModelConfig,
  layer: number,
): Tensor {
  const through = (name: string, x: Tensor) =>
    hasWeight(`${name}.w`) ? x.mul(weight(`${name}.w`).add(constant(config.norm_weight_offset)).unsqueeze(1)) : x
  const centred = (x: Tensor) => (config.normalization_type?.startsWith('LN') ? x.sub(x.mean(0, true)) : x)
  let columns = weight('unembed.W_U')
  if (config.final_norm) columns = centred(through('ln_final', columns))
  return config.post_norms ? centred(through(`blocks.${layer}.ln1_post`, columns)) : columns
}
