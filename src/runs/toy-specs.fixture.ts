import type { RunSpecInput } from './index.ts'

/** A pair for toy models. */
export const PAIR = { clean: [1, 4, 2, 5, 3], corrupt: [1, 6, 2, 5, 3], answer: 0, wrong: 2 }
const QUESTION = { prompt: [1, 4, 2, 5, 3], answer: 0, wrong: 2 }
/** A spec of a toy model. */
export const toySpec = (
  method: string,
  prompts: RunSpecInput['prompts'],
  parameters = {},
  more = {},
): RunSpecInput => ({
  version: 1,
  model: { ref: 'toy' },
  method,
  prompts,
  parameters,
  ...more,
})

const SCRUBBED = [
  [1, 4, 2],
  [3, 3, 2],
  [1, 1, 5],
  [0, 4, 0],
].map((prompt, i) => ({ prompt, answer: i }))

/** Every method, in its different forms. */
export const TOY_SPECS: readonly RunSpecInput[] = [
  toySpec('predict', [[1, 4, 2], [3]], { topK: 2 }),
  toySpec('lens', [[1, 4, 2], [3]], { topK: 2 }),
  toySpec('tuned_lens', [[1, 4, 2]], {
    texts: [
      [1, 4, 2],
      [3, 0, 5],
      [2, 2, 4],
    ],
    steps: 3,
    tokensPerStep: 4,
  }),
  toySpec('tuned_lens', [], { tokens: 24, sequenceLength: 4, steps: 2, tokensPerStep: 4, keepTranslators: true }),
  toySpec('attention', [[1, 4, 2, 5, 0]], {}, { seed: 5 }),
  toySpec('attention', [[1, 4, 2, 5, 0]], { layers: [1], heads: [0] }),
  toySpec('heads', [], { examples: 2 }),
  toySpec(
    'max_activating',
    [
      [1, 4, 2, 1, 4, 5],
      [3, 0, 5],
    ],
    { hook: 'blocks.0.mlp.hook_post', index: 2, topK: 2 },
  ),
  toySpec('max_activating', [[1, 4, 2, 1, 4, 5]], { hook: 'blocks.1.attn.hook_pattern', head: 1, perBand: 1 }),
  toySpec('heads', [[1, 4, 2, 1, 4, 5]], { examples: 3, period: 4, startToken: 6, tokens: [0, 1, 2, 3, 4] }),
  toySpec('circuits', [[1, 4, 2]], { directions: 1, topK: 2 }),
  toySpec('circuits', [], { layers: [-1], heads: [0], embedding: 'mlp0', directions: 2 }, { seed: 2 }),
  toySpec('attribute', [QUESTION]),
  toySpec('attribute', [QUESTION, { prompt: [3, 0], answer: 1, wrong: 2 }], { by: 'head' }),
  toySpec('attribute', [QUESTION], { by: 'accumulated' }),
  toySpec('attribute', [QUESTION], { by: 'neuron' }),
  toySpec('patch', [PAIR], { what: 'resid_pre' }),
  toySpec('patch', [PAIR, PAIR], { what: 'z', by: 'head_position' }),
  toySpec('patch', [PAIR], { what: 'mlp_out', by: 'layer' }),
  toySpec('patch', [{ ...PAIR, clean: [1, 4, 0, 2, 5, 3] }], { what: 'resid_pre' }),
  toySpec('patch', [PAIR], { what: 'neurons', bothDirections: false }),
  toySpec('attribution_patch', [PAIR], { what: 'z' }),
  toySpec('patch_subspace', [PAIR], { what: 'z' }),
  toySpec('patch_subspace', [PAIR, PAIR, PAIR, PAIR], {
    what: 'neurons',
    subspace: 'search',
    dimensions: 2,
    layers: [0],
  }),
  toySpec('causal_trace', [PAIR], { draws: 2 }),
  toySpec('causal_trace', [PAIR, { clean: [3, 0, 2], subject: [1] }], { severed: true, states: ['resid'] }),
  toySpec('causal_trace', [PAIR], { corruption: 'replacement', measure: 'logit_difference', window: 2 }),
  toySpec('path_patch', [PAIR], { receivers: ['all'] }),
  toySpec('path_patch', [PAIR, PAIR], {
    senders: ['heads'],
    mediators: ['mlps'],
    byPosition: true,
    bothDirections: false,
  }),
  toySpec('edge_attribution', [PAIR], { estimate: 'eap' }),
  toySpec('edge_attribution', [PAIR, PAIR], { steps: 3 }),
  toySpec('discover', [PAIR], { randomCircuits: 3 }),
  toySpec('discover', [PAIR, PAIR], { way: 'acdc', measure: 'metric', threshold: 0.1, randomCircuits: 2 }),
  toySpec('scrub', SCRUBBED, {
    samples: 12,
    hypothesis: {
      output: ['last'],
      nodes: [
        {
          name: 'last',
          parts: ['L1MLP'],
          positions: [-1],
          feature: { token: 1 },
          inputs: [{ node: 'heads', as: ['in'] }],
        },
        { name: 'heads', parts: ['L0H0', 'L1H1'], feature: { all: [{ equal: [0, 1] }, { label: 'kind' }] } },
      ],
      labels: { kind: ['a', 'b', 'a', 'b'] },
    },
  }),
  toySpec('scrub', SCRUBBED, {
    hypothesis: { output: ['embed'], nodes: [{ name: 'embed', parts: ['embed'], feature: { follower: -1 } }] },
    samples: 9,
  }),
  toySpec('ablate', [QUESTION], { what: 'head', kind: 'zero' }),
  toySpec('ablate', [[1, 4, 2, 5, 3]], { what: 'mlp', kind: 'resample' }, { seed: 3 }),
  toySpec('ablate', [QUESTION], { what: 'neuron', reference: [[1, 2, 3]] }),
  toySpec('ablate', [QUESTION], { kind: 'position_mean', reference: [[1, 2, 3, 4, 5, 6]] }),
  toySpec('self_repair', [QUESTION], { kind: 'zero' }),
  toySpec('self_repair', [QUESTION, { prompt: [3, 0, 2], answer: 1, wrong: 2 }], { what: 'mlp', kind: 'resample' }),
  toySpec('ablate_pairs', [QUESTION], { top: 3, what: 'all' }),
  toySpec('ablate_pairs', [QUESTION, { prompt: [3, 0, 2], answer: 1, wrong: 2 }], { what: 'mlp', kind: 'zero' }),
  toySpec('capture', [[1, 4], [2]], { hooks: ['*hook_attn_scores', 'hook_embed'] }),
  toySpec('generate', [[1, 4]], { tokens: 4, temperature: 1 }, { seed: 9 }),
]
