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
  toySpec('path_patch', [PAIR], { receivers: ['all'] }),
  toySpec('path_patch', [PAIR, PAIR], {
    senders: ['heads'],
    mediators: ['mlps'],
    byPosition: true,
    bothDirections: false,
  }),
  toySpec('edge_attribution', [PAIR], { estimate: 'eap' }),
  toySpec('edge_attribution', [PAIR, PAIR], { steps: 3 }),
  toySpec('ablate', [QUESTION], { what: 'head', kind: 'zero' }),
  toySpec('ablate', [[1, 4, 2, 5, 3]], { what: 'mlp', kind: 'resample' }, { seed: 3 }),
  toySpec('ablate', [QUESTION], { what: 'neuron', reference: [[1, 2, 3]] }),
  toySpec('capture', [[1, 4], [2]], { hooks: ['*hook_attn_scores', 'hook_embed'] }),
  toySpec('generate', [[1, 4]], { tokens: 4, temperature: 1 }, { seed: 9 }),
]
