import { DiopterError } from '../errors/index.ts'
import type { Shape } from '../tensor/index.ts'
import type { ModelConfig } from './config.ts'

/**
 * The axes of every weight, one letter each: d d_model, h heads, k key/value heads, e d_head, m d_mlp, v vocabulary,
 * o output vocabulary, c context.
 */
const AXES: Readonly<Record<string, string>> = {
  'embed.W_E': 'vd',
  'pos_embed.W_pos': 'cd',
  'attn.W_Q': 'hde',
  'attn.W_K': 'kde',
  'attn.W_V': 'kde',
  'attn.W_O': 'hed',
  'attn.b_Q': 'he',
  'attn.b_K': 'ke',
  'attn.b_V': 'ke',
  'attn.b_O': 'd',
  'mlp.W_in': 'dm',
  'mlp.W_gate': 'dm',
  'mlp.W_out': 'md',
  'mlp.b_in': 'm',
  'mlp.b_gate': 'm',
  'mlp.b_pre_linear': 'm',
  'mlp.b_out': 'd',
  'unembed.W_U': 'do',
  'unembed.b_U': 'o',
}

const NORM_WEIGHT = /^(ln1|ln2|ln1_post|ln2_post|ln_final)\.[wb]$/

/** The letters of a weight's public axes. @throws DiopterError for a name that no model has. */
export function weightAxes(name: string): string {
  const suffix = name.replace(/^blocks\.\d+\./, '')
  const axes = AXES[suffix] ?? (NORM_WEIGHT.test(suffix) ? 'd' : undefined)
  if (axes === undefined) throw new DiopterError(`No model has a weight called ${name}.`)
  return axes
}

/** The size of one axis letter. */
export function axisSize(config: ModelConfig, letter: string): number {
  const sizes: Readonly<Record<string, number>> = {
    d: config.d_model,
    h: config.n_heads,
    k: config.n_key_value_heads,
    e: config.d_head,
    m: config.d_mlp,
    v: config.d_vocab,
    o: config.d_vocab_out,
    c: config.n_ctx,
  }
  const size = sizes[letter]
  if (size === undefined) throw new DiopterError(`'${letter}' is no axis of a weight.`)
  return size
}

/** A weight's public shape. */
export function weightShape(config: ModelConfig, name: string): Shape {
  return [...weightAxes(name)].map((letter) => axisSize(config, letter))
}
