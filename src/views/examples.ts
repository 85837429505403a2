/** Example props for the tests: one of every view, with tokens that are hard to print. */

import type { PropsOf, ViewName } from './registry.ts'

/** A repeatable number in 0..1 for a pair of indices. */
function noise(a: number, b: number): number {
  return ((a * 7919 + b * 104729 + 12345) % 997) / 1000
}

/** A GPT-2-like split of a prompt. */
export const promptTokens = ['<|endoftext|>', 'When', ' John', ' and', ' Mary', ',', ' gave', ' to']

/** Tokens that must not reach a terminal or a page as they are. */
export const awkwardTokens = [
  '\n',
  '\t',
  ' ',
  '   ',
  '',
  '\u001b[31mred',
  '日本語',
  '🙂',
  'é',
  '\u0301',
  '\u202eabc',
  '<b>&"',
  '\u0007',
  'a\u0000b',
  '\ud83d',
  '\u200b',
  'wordwordwordwordwordword',
]

const layers = Array.from({ length: 4 }, (_, layer) => `layer ${layer}`)

function causalPattern(layer: number, head: number): (number | null)[][] {
  return promptTokens.map((_, query) => {
    const scores = promptTokens.map((_, key) =>
      key > query
        ? 0
        : Math.exp(
            3 * noise(layer * 7 + head, query * 31 + key) +
              (head % 2 === 0 && key === query - 1 ? 3 : 0) +
              (head % 3 === 0 && key === 0 ? 3 : 0),
          ),
    )
    const sum = scores.reduce((total, score) => total + score, 0)
    return scores.map((score, key) => (key > query ? null : Math.round((score / sum) * 1e4) / 1e4))
  })
}

const words = [' the', ' Mary', ' John', ' store', '\n', ' 日本', ' them', ',']

/** One example of every view. */
export const examples: { readonly [Name in ViewName]: PropsOf<Name> } = {
  heatMap: {
    title: 'Activation patching, resid_pre: clean into corrupted',
    values: layers.map((_, layer) =>
      promptTokens.map((_, position) =>
        layer === 2 && position === 0
          ? Number.NaN
          : position === 4 || position === 7
            ? 3.5 - (position === 4 ? layer : 3 - layer) * 1.5
            : (noise(layer, position) - 0.5) * 0.6,
      ),
    ),
    rowLabels: layers,
    columnLabels: promptTokens,
    rowAxis: 'layer',
    columnAxis: 'position',
    valueLabel: 'logit difference (logits)',
    references: [
      { label: 'clean', value: 3.52 },
      { label: 'corrupted', value: -3.1 },
    ],
  },
  tokenStrip: {
    title: 'Loss per token',
    tokens: [...promptTokens, '\n', ...promptTokens.slice(1)],
    values: [null, ...Array.from({ length: 15 }, (_, index) => Math.round(noise(index, 5) * 9e3) / 1e3)],
    valueLabel: 'loss (nats)',
    top: Array.from({ length: 16 }, (_, index) =>
      index === 0
        ? []
        : [
            { token: words[index % 8]!, probability: 0.4 },
            { token: words[(index + 3) % 8]!, probability: 0.1 },
          ],
    ),
  },
  attention: {
    title: 'Attention pattern of layer 5, head 0',
    pattern: causalPattern(5, 0),
    queryTokens: promptTokens,
    keyTokens: promptTokens,
  },
  attentionHeads: {
    title: 'Attention patterns of all heads',
    patterns: Array.from({ length: 2 }, (_, layer) =>
      Array.from({ length: 3 }, (_, head) => causalPattern(layer, head)),
    ),
    tokens: promptTokens,
  },
  attentionTokens: {
    title: 'What layer 5, head 0 reads',
    pattern: causalPattern(5, 0),
    tokens: promptTokens,
    focus: 4,
  },
  lensGrid: {
    title: 'Logit lens',
    cells: layers.map((_, layer) =>
      promptTokens.map((_, position) => ({
        top: [
          {
            token: words[Math.floor(noise(layer, position) * 8)]!,
            probability: Math.round(((layer + noise(position, layer)) / 4.5) * 1e3) / 1e3,
          },
          { token: words[Math.floor(noise(position, layer) * 8)]!, probability: 0.01 },
        ],
        rank: layer === 3 ? 0 : Math.floor(noise(layer, position) * 10 ** (4 - layer)),
        kl: (3 - layer) * noise(layer, position),
      })),
    ),
    layerLabels: ['embed', '0', '1', '2'],
    tokens: promptTokens,
  },
  barList: {
    title: 'Direct logit attribution by component',
    bars: [
      { label: 'L9H9', value: 2.31, low: 2.02, high: 2.6 },
      { label: 'L10H0', value: 1.07, low: 0.8, high: 1.31 },
      { label: 'mlp 11', value: 0.24, low: -0.1, high: 0.5 },
      { label: 'embedding', value: 0.003 },
      { label: 'mlp 0', value: -0.52, low: -0.8, high: -0.3 },
      { label: 'L10H7', value: -1.93, low: -2.3, high: -1.6 },
      { label: 'not measured', value: null },
    ],
    valueLabel: 'attribution to the logit difference (logits)',
  },
  curves: {
    title: 'Training loss',
    series: [
      {
        name: 'train',
        x: [1, 3, 10, 30, 100, 300, 1000],
        y: [4.2, 3.9, 2.8, 1.4, 0.6, 0.21, 0.08],
        low: [4, 3.7, 2.5, 1.2, 0.5, 0.15, 0.05],
        high: [4.4, 4.1, 3.1, 1.6, 0.7, 0.3, 0.12],
      },
      { name: 'held out', x: [1, 3, 10, 30, 100, 300, 1000], y: [4.3, 4, 3.2, null, 2.4, 1.1, 0.4] },
    ],
    xLabel: 'step',
    yLabel: 'loss (nats)',
    xScale: 'log',
  },
  directions: {
    title: 'Five features in two dimensions',
    panels: [
      {
        name: 'dense',
        directions: [
          { label: 'feature 0', x: 0.8, y: 0.6 },
          { label: 'feature 1', x: -0.6, y: 0.8 },
          { label: 'feature 2', x: 0, y: 0 },
        ],
      },
      {
        name: 'sparse',
        directions: Array.from({ length: 5 }, (_, i) => ({
          label: `feature ${i}`,
          x: Math.round(1.1 * Math.cos(0.4 * i * Math.PI) * 1e4) / 1e4,
          y: Math.round(1.1 * Math.sin(0.4 * i * Math.PI) * 1e4) / 1e4,
        })),
      },
    ],
  },
  circuitGraph: {
    title: 'A circuit that continues repeated tokens',
    levels: ['embed', 'heads of layer 0', 'MLP of layer 0', 'heads of layer 1', 'logits'],
    nodes: [
      { name: 'embed', level: 0 },
      { name: 'L0H3', level: 1 },
      { name: 'L0H0', level: 1 },
      { name: 'L0MLP', level: 2 },
      { name: 'L1H1', level: 3 },
      { name: 'logits', level: 4 },
    ],
    links: [
      { from: 0, to: 1, port: 'v', value: 4.1, others: [3.9] },
      { from: 0, to: 2, port: 'q', value: 0.2, others: [0.4] },
      { from: 0, to: 3, value: -0.7, others: [-1.2] },
      { from: 1, to: 4, port: 'k', value: 4.05, others: [2.2] },
      { from: 0, to: 4, port: 'q', value: 3.3, others: [null] },
      { from: 2, to: 4, port: 'v', value: null, others: [0.1] },
      { from: 4, to: 5, value: 4.4, others: [4.4] },
      { from: 3, to: 5, value: -0.9, others: [-1] },
    ],
    valueLabel: 'lost without the edge (logits)',
    otherLabels: ['estimated effect'],
  },
  checksList: {
    title: 'Checks of the logit lens',
    checks: [
      {
        name: 'lens at the last layer is the model',
        verdict: 'holds',
        claimed: 'KL below 1e-4 nats',
        measured: 3.2e-7,
        why: 'otherwise the final norm or the unembedding was applied wrongly',
      },
      {
        name: 'marginals agree with the final layer',
        verdict: 'fails',
        claimed: 'KL of the mean distribution below 1 nat at every layer',
        measured: '6.1 nats at layer 0, below 1 nat from layer 4 on',
        why: 'where the residual basis drifts, early rows say what the unembedding sees, not what the model believes at that layer',
      },
      {
        name: 'agrees with a tuned lens',
        verdict: 'not tested',
        claimed: 'same top token in 80% of the cells',
        measured: null,
        why: 'no tuned lens is trained for this model',
      },
    ],
  },
}
