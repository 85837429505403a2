import type { Architecture } from './architecture.ts'
import { type ConfigReader, configReader, layerWindows } from './config-reader.ts'
import { LLAMA_BUFFERS, LLAMA_NORMS, llamaFormConfig, llamaFormParameters } from './llama-form.ts'

/** Qwen2 and Qwen2.5 (Yang et al. 2024): Llama's form with biases on queries, keys and values. */
export const qwen2: Architecture = {
  modelTypes: ['qwen2'],
  buffers: LLAMA_BUFFERS,

  config(json) {
    const read = configReader('qwen2', json)
    const config = llamaFormConfig(
      read,
      {
        architecture: 'qwen2',
        act_fn: read.activation('hidden_act', 'silu'),
        tie_word_embeddings: read.flag('tie_word_embeddings', false),
        attn_windows: windows(read),
      },
      { num_key_value_heads: 32 },
    )
    read.finish()
    return config
  },

  parameters: (config, shapes) => llamaFormParameters(config, shapes, { qkvBias: true, norms: LLAMA_NORMS }),
}

/**
 * Versions of transformers disagree about `max_window_layers`: older ones give every layer the window, newer ones those
 * from that layer on. Where that makes a difference the model is refused, unless `layer_types` decides it.
 */
function windows(read: ConfigReader): (number | null)[] {
  const n_layers = read.size('num_hidden_layers')
  const window = read.optionalNumber('sliding_window', 4096)
  const first = read.number('max_window_layers', 28)
  if (!read.flag('use_sliding_window', false) || window === null) return layerWindows(read, n_layers, null, () => false)
  if (first > 0 && read.raw('layer_types') === undefined && window < read.size('max_position_embeddings')) {
    read.refuse('max_window_layers', '0, or a list layer_types, when use_sliding_window is true')
  }
  return layerWindows(read, n_layers, window, () => true)
}
