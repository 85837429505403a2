// `npm run check:large [FOLDER]`: makes a random Llama-shaped checkpoint of 1.2 billion parameters (float16, sharded, 2.4 GB),
// opens it, runs a logit lens, and holds peak memory to the estimate that was said before loading.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel, logitLens, toHalfBits, writeSafetensorsFile } from '../dist/index.js'

const folder = process.argv[2] ?? join(tmpdir(), 'diopter-llama-1.2b')
const config = {
  model_type: 'llama',
  architectures: ['LlamaForCausalLM'],
  hidden_size: 2048,
  intermediate_size: 5632,
  num_hidden_layers: 24,
  num_attention_heads: 32,
  num_key_value_heads: 4,
  vocab_size: 32000,
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: 'silu',
  tie_word_embeddings: false,
  torch_dtype: 'float16',
}

/** Half-precision values of standard deviation near 0.02, drawn from a small table: the content does not matter here. */
function randomHalves(seed, size) {
  const table = Uint16Array.from({ length: 4096 }, (_, i) => toHalfBits(0.035 * Math.sin(i * 12.9898 + i * i * 0.618)))
  const data = new Uint16Array(size)
  let state = seed >>> 0 || 1
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    data[i] = table[state >>> 20]
  }
  return data
}

async function make() {
  const {
    hidden_size: d,
    intermediate_size: m,
    num_hidden_layers: layers,
    num_key_value_heads: groups,
    num_attention_heads: heads,
    vocab_size: v,
  } = config
  const keyWidth = (d / heads) * groups
  const shards = [[], []]
  const index = {}
  let seed = 1
  const add = (shard, name, shape, ones = false) => {
    const size = shape.reduce((a, b) => a * b, 1)
    const own = seed++
    shards[shard].push({
      name,
      dtype: 'F16',
      shape,
      data: () => (ones ? new Uint16Array(size).fill(toHalfBits(1)) : randomHalves(own, size)),
    })
    index[name] = `model-0000${shard + 1}-of-00002.safetensors`
  }
  add(0, 'model.embed_tokens.weight', [v, d])
  for (let l = 0; l < layers; l++) {
    const shard = l < layers / 2 ? 0 : 1
    const block = `model.layers.${l}`
    add(shard, `${block}.input_layernorm.weight`, [d], true)
    add(shard, `${block}.post_attention_layernorm.weight`, [d], true)
    for (const [name, rows, columns] of [
      ['q', d, d],
      ['k', keyWidth, d],
      ['v', keyWidth, d],
      ['o', d, d],
    ])
      add(shard, `${block}.self_attn.${name}_proj.weight`, [rows, columns])
    for (const [name, rows, columns] of [
      ['gate', m, d],
      ['up', m, d],
      ['down', d, m],
    ])
      add(shard, `${block}.mlp.${name}_proj.weight`, [rows, columns])
  }
  add(1, 'model.norm.weight', [d], true)
  add(1, 'lm_head.weight', [v, d])
  mkdirSync(folder, { recursive: true })
  for (const [i, tensors] of shards.entries())
    await writeSafetensorsFile(join(folder, `model-0000${i + 1}-of-00002.safetensors`), tensors)
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map: index }))
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
}

const peak = () => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024
const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(2)} GB`

const made = !existsSync(join(folder, 'config.json'))
if (made) await make()
const started = performance.now()
const before = peak()
const model = await loadModel(folder)
console.log(
  `loaded ${(model.memory.parameters / 1e9).toFixed(2)} billion parameters in ${((performance.now() - started) / 1000).toFixed(1)} s`,
)
console.log(`estimated peak ${gigabytes(model.memory.peakLoadBytes)}, measured ${gigabytes(peak() - before)}`)
const loadFits = peak() - before <= model.memory.peakLoadBytes
const lensStarted = performance.now()
const { values } = await logitLens(model, [[1, 15043, 29892, 590, 1024, 338]])
console.log(
  `logit lens of ${values.layers.length} layers in ${((performance.now() - lensStarted) / 1000).toFixed(1)} s; peak ${gigabytes(peak() - before)}`,
)
const runFits = peak() - before <= model.memory.peakLoadBytes + 2 ** 29
await model.dispose()
if (made && process.argv[2] === undefined) rmSync(folder, { recursive: true })
console.log(loadFits && runFits ? 'within the estimate' : 'BEYOND the estimate')
process.exitCode = loadFits && runFits ? 0 : 1
