// Writes a GPT-2-shaped checkpoint with seeded random weights, as Hugging Face lays it out: normal, of standard deviation 0.02, in
// attention 0.06, so that heads look at something and an edge's effect stands above the rounding of a metric.
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeSafetensorsFile } from '../dist/index.js'

const shapes = {
  'gpt2-small': { d: 768, layers: 12, heads: 12, vocabulary: 50257 },
  // to see that both sides run and agree; its times mean nothing
  tiny: { d: 64, layers: 3, heads: 4, vocabulary: 5003 },
}
// From the environment, so that the processes that measure memory see it too.
const shapeName = process.env.DIOPTER_BENCH_SHAPE ?? 'gpt2-small'
/** The shape of the model that is timed. */
export const shape = shapes[shapeName]
const { d, layers, heads, vocabulary } = shape

/** Seeded normal values around `mean` (sums of uniforms: the exact shape of the tail does not matter here). */
function normal(seed, size, mean, deviation) {
  const data = new Float32Array(size)
  let state = seed >>> 0 || 1
  for (let i = 0; i < size; i++) {
    let sum = -2
    for (let k = 0; k < 4; k++) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      sum += (state >>> 0) / 2 ** 32
    }
    data[i] = mean + deviation * sum * Math.sqrt(3)
  }
  return data
}

/** The checkpoint's folder; written unless it is there. */
export async function gpt2Checkpoint() {
  const folder = join(tmpdir(), `diopter-bench-${shapeName}-attending`)
  if (existsSync(join(folder, 'config.json'))) return folder
  mkdirSync(folder, { recursive: true })
  const tensors = []
  const add = (name, shape, mean = 0, deviation = 0.02) => {
    const seed = tensors.length + 1
    tensors.push({
      name,
      dtype: 'F32',
      shape,
      data: () =>
        normal(
          seed,
          shape.reduce((a, b) => a * b, 1),
          mean,
          deviation,
        ),
    })
  }
  add('wte.weight', [vocabulary, d])
  add('wpe.weight', [1024, d])
  for (let l = 0; l < layers; l++) {
    for (const [norm, mean] of [
      ['ln_1.weight', 1],
      ['ln_1.bias', 0],
      ['ln_2.weight', 1],
      ['ln_2.bias', 0],
    ])
      add(`h.${l}.${norm}`, [d], mean)
    add(`h.${l}.attn.c_attn.weight`, [d, 3 * d], 0, 0.06)
    add(`h.${l}.attn.c_attn.bias`, [3 * d])
    add(`h.${l}.attn.c_proj.weight`, [d, d], 0, 0.06)
    add(`h.${l}.attn.c_proj.bias`, [d])
    add(`h.${l}.mlp.c_fc.weight`, [d, 4 * d])
    add(`h.${l}.mlp.c_fc.bias`, [4 * d])
    add(`h.${l}.mlp.c_proj.weight`, [4 * d, d])
    add(`h.${l}.mlp.c_proj.bias`, [d])
  }
  add('ln_f.weight', [d], 1)
  add('ln_f.bias', [d])
  await writeSafetensorsFile(join(folder, 'model.safetensors.part'), tensors)
  renameSync(join(folder, 'model.safetensors.part'), join(folder, 'model.safetensors'))
  const config = {
    model_type: 'gpt2',
    n_embd: d,
    n_layer: layers,
    n_head: heads,
    n_positions: 1024,
    n_ctx: 1024,
    vocab_size: vocabulary,
    activation_function: 'gelu_new',
    layer_norm_epsilon: 1e-5,
    tie_word_embeddings: true,
  }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config, null, 1))
  return folder
}
