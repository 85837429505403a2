import type { WorkOptions } from '../errors/index.ts'
import { type Activation, ofPrompt } from './arrays.ts'
import { type Comparison, type Numbers, type Pair, RUN_TOLERANCE, SUM_TOLERANCE } from './comparison.ts'
import type { Model } from './model.ts'

/** Prompts of one length. */
export type TokenRows = readonly (readonly number[])[]

/** The residual stream is the sum of what is written to it, in the form that the family has. */
export async function residualIdentities(
  model: Model,
  tokens: TokenRows,
  { signal }: WorkOptions,
): Promise<Comparison[]> {
  const { n_layers, attn_only, parallel_attn_mlp } = model.config
  const layers = Array.from({ length: n_layers }, (_, layer) => layer)
  const sequential = !attn_only && !parallel_attn_mlp
  const written = ['hook_attn_out', ...(attn_only ? [] : ['hook_mlp_out'])]
  const suffixes = ['hook_resid_pre', ...written, ...(sequential ? ['hook_resid_mid'] : []), 'hook_resid_post']
  const { captures } = await model.run(tokens, {
    capture: layers.flatMap((layer) => suffixes.map((suffix) => `blocks.${layer}.${suffix}`)),
    signal,
  })
  const at = (layer: number, suffix: string) => captures[`blocks.${layer}.${suffix}`]!.data as Float32Array
  const sums = (total: string, terms: readonly string[]): Comparison => ({
    name: `${total.slice(5)} = ${terms.map((term) => term.slice(5)).join(' + ')}`,
    claim: 'the residual stream is the sum of what is written to it, in every block',
    tolerance: SUM_TOLERANCE,
    pairs: layers.map((layer) => {
      const arrays = terms.map((term) => at(layer, term))
      return [at(layer, total), sum(arrays, (x) => x), sum(arrays, Math.abs)]
    }),
  })
  return [
    ...(sequential
      ? [
          sums('hook_resid_mid', ['hook_resid_pre', 'hook_attn_out']),
          sums('hook_resid_post', ['hook_resid_mid', 'hook_mlp_out']),
        ]
      : []),
    sums('hook_resid_post', ['hook_resid_pre', ...written]),
    {
      name: 'resid_pre = the previous resid_post',
      claim: 'every block reads what the one before it wrote',
      tolerance: SUM_TOLERANCE,
      pairs: layers.slice(1).map((layer) => [at(layer, 'hook_resid_pre'), at(layer - 1, 'hook_resid_post')] as const),
    },
  ]
}

function sum(terms: readonly Float32Array[], of: (x: number) => number): Float64Array {
  return Float64Array.from(terms[0]!, (_, i) => terms.reduce((total, term) => total + of(term[i]!), 0))
}

async function allLogits(model: Model, tokens: TokenRows, options: Parameters<Model['run']>[1]): Promise<Activation> {
  const { logits } = await model.run(tokens, { ...options, positions: 'all' })
  return logits!
}

/** Prompts of unequal lengths in one padded batch, against each by itself. */
export async function paddingParity(model: Model, tokens: TokenRows, { signal }: WorkOptions): Promise<Comparison[]> {
  const length = tokens[0]!.length
  const rows = tokens
    .map((row, i) => row.slice(0, Math.max(1, length - 3 * i)))
    .concat([tokens[0]!.slice(0, Math.ceil(length / 2))])
  const batch = await allLogits(model, rows, { signal })
  const pairs: Pair[] = []
  for (const [i, row] of rows.entries()) {
    const single = await allLogits(model, [row], { signal })
    pairs.push([ofPrompt(batch, i).data as Numbers, single.data as Numbers])
  }
  return [
    {
      name: 'padding parity',
      claim: 'logits of a left-padded batch are those of single runs',
      tolerance: RUN_TOLERANCE,
      pairs,
    },
  ]
}

export async function batchParity(model: Model, tokens: TokenRows, { signal }: WorkOptions): Promise<Comparison[]> {
  const batch = await allLogits(model, tokens, { signal })
  const pairs: Pair[] = []
  for (const [i, row] of tokens.entries()) {
    const single = await allLogits(model, [row], { signal })
    pairs.push([ofPrompt(batch, i).data as Numbers, single.data as Numbers])
  }
  return [
    { name: 'batch = single', claim: 'logits of a batch are those of single runs', tolerance: RUN_TOLERANCE, pairs },
  ]
}

export async function residentParity(model: Model, tokens: TokenRows, { signal }: WorkOptions): Promise<Comparison[]> {
  const [resident, inputs] = [
    await allLogits(model, tokens, { residency: 'resident', signal }),
    await allLogits(model, tokens, { residency: 'inputs', signal }),
  ]
  return [
    {
      name: 'resident = inputs',
      claim: 'logits are the same with weights inside the session and with weights as its inputs',
      tolerance: RUN_TOLERANCE,
      pairs: [[resident.data as Numbers, inputs.data as Numbers]],
    },
  ]
}

/** Greedy decoding with the key/value cache, against one run over all of its tokens. */
export async function cacheParity(model: Model, tokens: TokenRows, { signal }: WorkOptions): Promise<Comparison[]> {
  const prompt = tokens[0]!.slice(0, Math.max(1, Math.floor(tokens[0]!.length / 2)))
  const hook = 'unembed.hook_out'
  const { continuations, captures } = await model.generate([prompt], {
    tokens: 6,
    stopAtSpecial: false,
    capture: hook,
    signal,
  })
  const read = [...prompt, ...continuations[0]!.ids].slice(0, prompt.length + captures[hook]!.length - 1)
  const full = await model.run([read], { capture: hook, positions: 'none', signal })
  const whole = full.captures[hook]!.data as Float32Array
  const width = whole.length / read.length
  const [first, ...steps] = captures[hook]!.map(({ data }) => data as Float32Array)
  const places = [first!, ...steps].map((_, i) => (i === 0 ? 0 : prompt.length + i - 1) * width)
  return [
    {
      name: 'cached decoding = full run',
      claim: 'logits of decoding steps with a key/value cache are those of one run over all tokens',
      tolerance: RUN_TOLERANCE,
      pairs: [first!, ...steps].map((data, i) => [data, whole.subarray(places[i]!, places[i]! + data.length)] as const),
    },
  ]
}
