import * as v from 'valibot'
import { DiopterError } from '../../errors/index.ts'
import type { ConfigJson } from '../../models/index.ts'
import { permutation, randomSource } from '../../random/index.ts'
import { crossEntropy, type Shape } from '../../tensor/index.ts'
import type { Evaluation, Problem, Task } from '../problem.ts'
import { tokenIds } from '../token-ids.ts'
import { initialValues, trainableModel } from '../trainable-model.ts'

const size = v.pipe(v.number(), v.integer(), v.minValue(1))

const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1))

const schema = v.strictObject({
  /** Folder of a packed corpus: train.u16 and held-out.u16, little-endian token ids. */
  corpus: v.optional(v.string(), '.corpus'),
  /** The tokenizer that made the ids; it is saved with the model. */
  tokenizer: v.optional(v.string(), 'checkpoints/text/tokenizer.json'),
  d_vocab: v.optional(size, 4096),
  n_layers: v.optional(size, 4),
  d_model: v.optional(size, 192),
  n_heads: v.optional(size, 6),
  d_mlp: v.optional(size, 512),
  n_ctx: v.optional(size, 256),
  batch: v.optional(size, 16),
  /** The share of rows in which a passage of the row comes a second time, verbatim, as refrains and quotations do. */
  repeats: v.optional(share, 0.1),
  /** The same share in the first batches: looking back is learned while it pays often, and kept when it pays seldom. */
  earlyRepeats: v.optional(share, 0.8),
  /** How many batches are the first ones. */
  earlyBatches: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 1500),
})

type TextConfig = v.InferOutput<typeof schema>

/** Held-out rows of one evaluation. */
const EVALUATED_ROWS = 32
/** Rows of random tokens that come twice. */
const REPEATED_ROWS = 8

/** A small Llama on prose: the model that ships, with which every method can be tried. */
export const text: Task<TextConfig> = {
  name: 'text',
  description: 'Next-token prediction on public-domain English with a small Llama: the text model that ships.',
  schema,
  settings: {
    steps: 6000,
    optimiser: { name: 'adamw', learningRate: 1.5e-3, betas: [0.9, 0.95], weightDecay: 0.1, decays: 'weights' },
    schedule: { warmup: 100, shape: 'cosine', final: 0.05 },
    clip: 1,
    logEvery: 10,
    evaluate: { every: 100, perDecade: 5 },
  },

  async create(config, seed, { readFile }): Promise<Problem> {
    const { n_ctx, batch, d_vocab } = config
    const [train, heldOut] = await Promise.all(
      ['train.u16', 'held-out.u16'].map(async (name) => tokenIds(await readFile(`${config.corpus}/${name}`), name)),
    )
    const tokenizer = await readFile(config.tokenizer)
    const model = llama(config)
    const rows = textRows(train!, n_ctx, seed)
    const loss: Problem['loss'] = (parameters, { tokens }) => ({
      // tokens [B, P + 1]: each position predicts the one after it
      loss: crossEntropy(model.logits(parameters, tokens!.slice(1, 0, -1)), tokens!.slice(1, 1)).mean(),
    })
    const heldOutRows: Evaluation = {
      name: 'heldOut',
      inputs: { tokens: ids(spreadRows(heldOut!, n_ctx, EVALUATED_ROWS), n_ctx + 1) },
      trace: (parameters, inputs) => ({ loss: loss(parameters, inputs, inputs.tokens!).loss }),
    }
    const repeated: Evaluation = {
      name: 'repeated',
      inputs: { tokens: ids(repeatedRows(d_vocab, n_ctx), n_ctx + 1) },
      trace(parameters, { tokens }) {
        const losses = crossEntropy(model.logits(parameters, tokens!.slice(1, 0, -1)), tokens!.slice(1, 1))
        const half = n_ctx / 2
        return { first: losses.slice(1, 0, half).mean(), second: losses.slice(1, half + 1).mean() }
      },
    }
    return {
      parameters: model.parameters,
      initial: () =>
        initialValues(model.parameters, seed, (name) => {
          if (/norm\.weight$/.test(name)) return 'ones'
          // what writes into the residual stream starts smaller, so that the stream does not grow with depth
          return /(o_proj|down_proj)/.test(name) ? 0.02 / Math.sqrt(2 * config.n_layers) : 0.02
        }),
      batch: { tokens: { dtype: 'int64', shape: [batch, n_ctx + 1] } },
      microBatch(index) {
        const tokens = new BigInt64Array(batch * (n_ctx + 1))
        const share = index < config.earlyBatches ? config.earlyRepeats : config.repeats
        for (let row = 0; row < batch; row++) {
          const random = randomSource(seed, 'repeat', index, row)
          const ids = rows(index * batch + row)
          const shown = random.uniform() < share ? withRepeat(ids, random) : ids
          shown.forEach((id, i) => {
            tokens[row * (n_ctx + 1) + i] = BigInt(id)
          })
        }
        return { tokens }
      },
      loss,
      evaluations: [heldOutRows, repeated],
      tokensPerBatch: batch * n_ctx,
      model,
      modelFiles: {
        'tokenizer.json': tokenizer,
        'tokenizer_config.json': new TextEncoder().encode(
          JSON.stringify({ bos_token: '<|endoftext|>', eos_token: '<|endoftext|>', model_max_length: n_ctx }),
        ),
      },
    }
  },
}

/** A Llama with tied embeddings, in Hugging Face's layout. */
function llama({ d_vocab, n_layers, d_model, n_heads, d_mlp, n_ctx }: TextConfig) {
  const json: ConfigJson = {
    architectures: ['LlamaForCausalLM'],
    ...{ model_type: 'llama', vocab_size: d_vocab, hidden_size: d_model, intermediate_size: d_mlp },
    ...{ num_hidden_layers: n_layers, num_attention_heads: n_heads, num_key_value_heads: n_heads },
    ...{ max_position_embeddings: n_ctx, rope_theta: 10000, rms_norm_eps: 1e-5, hidden_act: 'silu' },
    ...{ tie_word_embeddings: true, bos_token_id: d_vocab - 1, eos_token_id: d_vocab - 1 },
  }
  const shapes = new Map<string, Shape>([['model.embed_tokens.weight', [d_vocab, d_model]]])
  for (let l = 0; l < n_layers; l++) {
    const add = (name: string, ...shape: number[]) => shapes.set(`model.layers.${l}.${name}.weight`, shape)
    add('input_layernorm', d_model)
    for (const letter of ['q', 'k', 'v', 'o']) add(`self_attn.${letter}_proj`, d_model, d_model)
    add('post_attention_layernorm', d_model)
    for (const name of ['gate', 'up']) add(`mlp.${name}_proj`, d_mlp, d_model)
    add('mlp.down_proj', d_model, d_mlp)
  }
  shapes.set('model.norm.weight', [d_model])
  return trainableModel(json, shapes)
}

/**
 * Row `r` of an endless stream of rows [n_ctx + 1]: every epoch cuts the text at another offset and takes the pieces in
 * another order, so that all text is seen once per epoch and never at the same places.
 */
function textRows(tokens: Uint16Array, n_ctx: number, seed: number): (row: number) => Uint16Array {
  // one piece fewer than fit, so that any offset leaves as many
  const pieces = Math.floor((tokens.length - 1) / n_ctx) - 1
  if (pieces < 1) throw new DiopterError(`The corpus has ${tokens.length} tokens, too few for rows of ${n_ctx + 1}.`)
  const epochs = new Map<number, { offset: number; order: Uint32Array }>()
  const epochOf = (number: number) => {
    const known = epochs.get(number)
    if (known) return known
    const random = randomSource(seed, 'epoch', number)
    const made = { offset: random.integer(n_ctx), order: permutation(pieces, random) }
    epochs.clear()
    epochs.set(number, made)
    return made
  }
  return (row) => {
    const { offset, order } = epochOf(Math.floor(row / pieces))
    const start = offset + order[row % pieces]! * n_ctx
    return tokens.subarray(start, start + n_ctx + 1)
  }
}

/** The row with one of its passages (a fifth to a half of it) copied over what comes at a random place after it. */
function withRepeat(row: Uint16Array, random: ReturnType<typeof randomSource>): Uint16Array {
  const repeated = row.slice()
  const length = Math.floor(row.length * (0.2 + 0.3 * random.uniform()))
  const from = random.integer(row.length - 2 * length + 1)
  const to = from + length + random.integer(row.length - from - 2 * length + 1)
  repeated.set(row.subarray(from, from + length), to)
  return repeated
}

/** `count` rows spread evenly over a text. */
function spreadRows(tokens: Uint16Array, n_ctx: number, count: number): Uint16Array {
  const rows = new Uint16Array(count * (n_ctx + 1))
  const stride = Math.floor((tokens.length - n_ctx - 1) / count)
  for (let i = 0; i < count; i++) rows.set(tokens.subarray(i * stride, i * stride + n_ctx + 1), i * (n_ctx + 1))
  return rows
}

/** Rows whose first half is random tokens, and whose second half is the first again: what only induction predicts. */
function repeatedRows(d_vocab: number, n_ctx: number): Uint16Array {
  const random = randomSource(0, 'repeated tokens')
  const half = Math.floor(n_ctx / 2)
  const rows = new Uint16Array(REPEATED_ROWS * (n_ctx + 1))
  for (let row = 0; row < REPEATED_ROWS; row++) {
    const start = row * (n_ctx + 1)
    rows[start] = d_vocab - 1
    for (let i = 0; i < half; i++) rows[start + 1 + i] = rows[start + 1 + half + i] = random.integer(d_vocab - 1)
  }
  return rows
}

function ids(values: Uint16Array, width: number) {
  return {
    dtype: 'int64' as const,
    shape: [values.length / width, width],
    data: BigInt64Array.from(values, (id) => BigInt(id)),
  }
}
