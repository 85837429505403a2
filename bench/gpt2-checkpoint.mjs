// Writes a GPT-2-small-shaped checkpoint with seeded random weights (normal, 0.02), as Hugging Face lays it out.
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeSafetensorsFile } from '../dist/index.js'

const d = 768
const layers = 12
const vocabulary = 50257

/** Seeded normal values of standard deviation 0.02 around `mean` (sums of uniforms: the exact shape of the tail does not matter here). */
function normal(seed, size, mean = 0) {
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
    data[i] = mean + 0.02 * sum * Math.sqrt(3)
  }
  return data
}

/** The checkpoint's folder; written unless it is there. */
export async function gpt2Checkpoint() {
  const folder = join(tmpdir(), 'diopter-bench-gpt2-small')
  if (existsSync(join(folder, 'config.json'))) return folder
  mkdirSync(folder, { recursive: true })
  const tensors = []
  const add = (name, shape, mean = 0) => {
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
    add(`h.${l}.attn.c_attn.weight`, [d, 3 * d])
    add(`h.${l}.attn.c_attn.bias`, [3 * d])
    add(`h.${l}.attn.c_proj.weight`, [d, d])
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
    n_head: 12,
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
