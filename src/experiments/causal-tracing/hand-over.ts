import type { WorkOptions } from '../../errors/index.ts'
import { type Edit, logProbability, type Model } from '../../lab/index.ts'
import type { TracedFact } from './traced-facts.ts'

/** Effects on the answer's probability with replaced subjects, means over facts. */
export interface HandOver {
  /** Restoring the early site's state behind its layer. */
  readonly restored: number
  /** The same with attention layers behind it held as corrupted at the last token: what passes elsewhere. */
  readonly withoutAttention: number
  /** The same with MLP layers held instead. */
  readonly withoutMlps: number
  /** Restoring the state before the early site's own MLP layer. */
  readonly restoredBeforeMlp: number
  /** The same with that MLP layer, and those behind it, held as corrupted at the site. */
  readonly beforeMlpWithoutMlps: number
}

/**
 * How the early site's state becomes the answer, as far as causal tracing's own maps cannot show it: they sever layers behind the
 * restored state and at its own token, so neither the site's own MLP layer nor what the last token reads.
 */
export async function handOver(
  model: Model,
  facts: readonly TracedFact[],
  layer: number,
  { signal }: WorkOptions,
): Promise<HandOver> {
  const layersFrom = (first: number) => Array.from({ length: model.config.n_layers - first }, (_, i) => first + i)
  const sums = [0, 0, 0, 0, 0]
  for (const { clean, corrupt, subject, answer } of facts) {
    const site = subject[1]
    const restored = (hook: string): Edit => ({
      hook: `blocks.${layer}.${hook}`,
      kind: 'resample',
      from: clean,
      positions: [site],
    })
    // as in the run that nothing else changes: the corrupted one
    const held = (hook: string, first: number, position: number) =>
      layersFrom(first).map((at): Edit => ({ hook: `blocks.${at}.${hook}`, kind: 'freeze', positions: [position] }))
    const behind = restored('hook_resid_post')
    const before = restored('hook_resid_mid')
    const last = corrupt.length - 1
    const { base, values } = await model.variants(
      corrupt,
      [
        [behind],
        [behind, ...held('hook_attn_out', layer + 1, last)],
        [behind, ...held('hook_mlp_out', layer + 1, last)],
        [before],
        [before, ...held('hook_mlp_out', layer, site)],
      ],
      logProbability(answer),
      { signal },
    )
    values.forEach((value, i) => {
      sums[i]! += (Math.exp(value) - Math.exp(base)) / facts.length
    })
  }
  const [restored, withoutAttention, withoutMlps, restoredBeforeMlp, beforeMlpWithoutMlps] = sums as [
    number,
    number,
    number,
    number,
    number,
  ]
  return { restored, withoutAttention, withoutMlps, restoredBeforeMlp, beforeMlpWithoutMlps }
}
