// What is timed: our side, the peer's case of the same work, and the ratio (peer time : our time) to reach.
import { edgeAttribution, loadModel, logitDifference, pathPatching } from '../dist/index.js'
import { gpt2Checkpoint, shape } from './gpt2-checkpoint.mjs'
import { openTraining } from './trainings.mjs'

const { layers, heads, vocabulary } = shape

/** Token ids that differ from row to row. */
const ids = (length, row = 1) => Array.from({ length }, (_, i) => (i * 7919 * row + 13) % vocabulary)
const batch = Array.from({ length: 8 }, (_, i) => ids(128, i + 1))
const clean = ids(16)
const corrupt = ids(16, 3)
const answers = [5, 9]
const metric = logitDifference(...answers)
const pairs = Array.from({ length: 8 }, (_, i) => ({ clean: ids(32, i + 1), corrupt: ids(32, i + 11) }))

/** Everything that TransformerLens caches by itself: all hooks but the per-head results. */
const cached = (model) => model.hookNames.filter((name) => !name.endsWith('hook_result') && !name.startsWith('unembed'))

const residCells = Array.from({ length: layers * 16 }, (_, i) => [
  { hook: `blocks.${Math.floor(i / 16)}.hook_resid_pre`, kind: 'resample', from: clean, positions: [i % 16] },
])
const headCells = Array.from({ length: layers * heads }, (_, i) => [
  { hook: `blocks.${Math.floor(i / heads)}.attn.hook_z`, kind: 'resample', from: clean, heads: [i % heads] },
])

/** What both sides of a case read and return the same numbers for. */
const sweptPair = { pair: [clean, corrupt], answers }
// As the prompts of indirect objects: alike up to the name that differs.
const alike = [...clean.slice(0, 10), ...corrupt.slice(10)]
const edgePair = { clean, corrupt: alike, answer: answers[0], wrong: answers[1] }
const edgeAsked = { pair: [clean, alike], answers, metric: 'difference' }
const headEdges = (3 * heads ** 2 * layers * (layers - 1)) / 2

/** Every head's change of every later head's query, key and value, in one direction, with the method's own checks. */
async function pathPatchHeads(model) {
  const options = { senders: ['heads'], receivers: ['heads'], bothDirections: false }
  return (await pathPatching(model, [edgePair], options)).values.effects.flat()
}

/** The scores of all edges. The method's checks patch some edges exactly, which nobody else does: it is stopped before them unless `checked`. */
async function attributeEdges(model, checked) {
  const controller = new AbortController()
  const options = { estimate: 'eap', signal: controller.signal, onPartial: () => controller.abort() }
  const { values } = await edgeAttribution(model, [edgePair], checked ? { estimate: 'eap' } : options)
  return values.values.flat()
}

const attributed = ['blocks.*.hook_resid_pre', 'blocks.*.attn.hook_z']

/** (clean - corrupt) * gradient at the corrupted run, for every residual stream and head output, summed. */
async function attributionPatching(model, cleanPrompts, corruptPrompts) {
  const count = cleanPrompts.length
  // As the method does: short prompts share one run, and the gradient of a mean over two metrics is half of each.
  const together = 2 * count * cleanPrompts[0].length <= 128
  const capture = { capture: attributed, positions: 'none' }
  const target = { ...capture, metric, grad: attributed }
  const from = await model.run(
    together ? [...cleanPrompts, ...corruptPrompts] : cleanPrompts,
    together ? target : capture,
  )
  const into = together ? from : await model.run(corruptPrompts, target)
  let total = 0
  for (const hook of Object.keys(from.captures)) {
    const [a, b, g] = [from.captures[hook].data, into.captures[hook].data, into.gradients[hook].data]
    const offset = together ? a.length / 2 : 0
    for (let i = 0; i < a.length - offset; i++) total += (a[i] - b[offset + i]) * g[offset + i]
  }
  return total
}

/**
 * What a case opens: `run` does the timed work once. Of a case that is `compared` it resolves to its numbers, null for what was
 * not computed, and peers return the same.
 * @typedef {{ run: () => Promise<unknown>, close: () => Promise<void> }} Opened
 * A peer without a target stands beside the others without a bar, and one that is `other` gives other numbers.
 * Runs before the clock are `warmUps`, four unless said: a graph is promoted to resident weights after three.
 * @typedef {{ name: string, open: () => Promise<Opened>, repeats: number, quick: number, warmUps?: number, training?: string,
 *   compared?: boolean, peers: { case: string, options?: object, target?: number, label: string, other?: boolean }[] }} BenchCase
 */

/** Work on a model of the case's own: what other cases compiled takes no memory from this one. */
const onModel = (work) => async () => {
  const model = await loadModel(await gpt2Checkpoint())
  return { run: () => work(model), close: () => model.dispose() }
}

/** A grokking step beside the step as it is written in PyTorch, and beside one that somebody pruned by hand. */
const grokkingCase = (name, training, target) => ({
  name,
  training,
  open: () => openTraining(training),
  repeats: 21,
  quick: 7,
  peers: [
    { case: 'grokking_step_published', target, label: 'PyTorch, as published (einsum)' },
    { case: 'grokking_step_linear', target, label: 'PyTorch, linear layers' },
    { case: 'grokking_step_pruned', label: 'PyTorch, pruned by hand' },
  ],
})

/** @type {BenchCase[]} */
export const cases = [
  {
    name: 'forward + full cache, 8x128',
    open: onModel((model) => model.run(batch, { positions: 'all', capture: cached(model) })),
    repeats: 7,
    quick: 2,
    peers: [{ case: 'forward_full_cache_8x128', target: 0.9, label: 'PyTorch, all hooks kept' }],
  },
  {
    name: 'logits at the last position, 8x128',
    open: onModel((model) => model.run(batch, { positions: 'last' })),
    repeats: 9,
    quick: 3,
    peers: [
      {
        case: 'logits_last_8x128',
        options: { form: 'index_all_logits' },
        target: 1.3,
        label: 'PyTorch, all logits then the last (transformers)',
      },
      { case: 'logits_last_8x128', target: 1.3, label: 'PyTorch, best form' },
    ],
  },
  {
    name: 'full cache, 1x16, resident',
    open: onModel((model) => model.run([clean], { positions: 'all', capture: cached(model) })),
    repeats: 25,
    quick: 8,
    peers: [{ case: 'full_cache_1x16', target: 2.5, label: 'PyTorch, all hooks kept' }],
  },
  {
    name: `resid_pre sweep, ${residCells.length} cells of 16 tokens`,
    open: onModel((model) => model.variants(corrupt, residCells, metric)),
    repeats: 7,
    quick: 2,
    peers: [
      {
        case: 'sweep_resid_pre_cells',
        options: { limit: 24 },
        target: 10,
        label: 'PyTorch, one forward per cell (24 cells scaled)',
      },
      { case: 'sweep_resid_pre_batched', target: 1.4, label: 'PyTorch, best batched form' },
    ],
  },
  {
    name: `head sweep, ${headCells.length} cells of 16 tokens`,
    open: onModel(async (model) => (await model.variants(corrupt, headCells, metric)).values),
    repeats: 7,
    quick: 2,
    compared: true,
    peers: [
      {
        case: 'sweep_heads_cells',
        options: { ...sweptPair, limit: Math.min(24, headCells.length) },
        target: 9,
        label: 'PyTorch, one forward per cell (time of 24 cells times cells / 24)',
      },
      { case: 'sweep_heads_batched', options: sweptPair, target: 1.3, label: 'PyTorch, best batched form' },
    ],
  },
  {
    name: 'edge attribution (EAP) of all edges, 16 tokens',
    open: onModel((model) => attributeEdges(model, false)),
    repeats: 15,
    quick: 5,
    compared: true,
    peers: [
      {
        case: 'edges_one_by_one',
        options: { ...edgeAsked, limit: 24 },
        target: 9,
        label: 'PyTorch, every edge patched, one forward each (time of 24 edges times edges / 24)',
        other: true,
      },
      {
        case: 'edge_attribution',
        options: { ...edgeAsked, form: 'published' },
        label: 'PyTorch, as published (split inputs, two forwards, one backward, einsum)',
      },
      { case: 'edge_attribution', options: edgeAsked, target: 1.3, label: 'PyTorch, best form' },
    ],
  },
  {
    name: 'edge attribution with its checks (ten edges patched exactly)',
    open: onModel((model) => attributeEdges(model, true)),
    repeats: 7,
    quick: 2,
    peers: [],
  },
  {
    name: `path patching of all head pairs, ${headEdges} edges, 16 tokens`,
    open: onModel(pathPatchHeads),
    // Minutes long: what is timed is what a user waits for, compilation included.
    warmUps: 0,
    repeats: 2,
    quick: 1,
    compared: true,
    peers: [
      {
        case: 'path_patch_cells',
        options: { ...edgeAsked, metric: 'logits', limit: 36 },
        target: 9,
        label: 'PyTorch, one forward per edge (time of 36 edges times edges / 36)',
      },
      {
        case: 'path_patch_batched',
        options: { ...edgeAsked, limit: 1 },
        target: 1.3,
        label: `PyTorch, best batched form (time of one head of each layer times ${heads})`,
      },
    ],
  },
  {
    name: 'attribution patching, 1x16',
    open: onModel((model) => attributionPatching(model, [clean], [corrupt])),
    repeats: 15,
    quick: 5,
    peers: [{ case: 'attribution_patching_1x16', target: 1.5, label: 'PyTorch, best form' }],
  },
  {
    name: 'attribution patching, 8x32',
    open: onModel((model) =>
      attributionPatching(
        model,
        pairs.map((pair) => pair.clean),
        pairs.map((pair) => pair.corrupt),
      ),
    ),
    repeats: 9,
    quick: 3,
    peers: [{ case: 'attribution_patching_8x32', target: 1.5, label: 'PyTorch, best form' }],
  },
  {
    name: 'greedy decode, 64 tokens with cache',
    open: onModel((model) => model.generate([clean], { tokens: 64, greedy: true, stopAtSpecial: false })),
    repeats: 7,
    quick: 2,
    peers: [{ case: 'greedy_decode_64', target: 1.0, label: 'PyTorch, best form' }],
  },
  grokkingCase('training: grokking step, all positions', 'grokking at all positions', 1.3),
  grokkingCase('training: grokking step', 'grokking', 2.5),
  {
    name: 'training: text step, 32x128',
    training: 'text',
    open: () => openTraining('text'),
    repeats: 7,
    quick: 3,
    peers: [{ case: 'text_step', target: 1.0, label: 'PyTorch, best form' }],
  },
]
