/**
 * Logit lens: what would the model say if it stopped after layer l?
 *
 * Runs: one forward pass. The residual stream h_l after every block (and before the first) goes through the model's own
 * final norm and unembedding, as if it were the last one:
 *
 *     logits_l = W_U . norm_final(h_l) + b_U        p_l = softmax(logits_l)
 *
 * Reported per layer and position: the top tokens of p_l, the rank of the model's own final top token, the divergence
 * KL(p_final || p_l) and the entropy of p_l, both in nats.
 *
 * Paper: nostalgebraist, "interpreting GPT: the logit lens" (2020); its tuned successor: Belrose et al. 2303.08112.
 *
 * How it misleads: nothing makes early layers use the basis that the unembedding reads. Where the basis drifts, or the mean
 * of the stream is far from what the final norm expects, an early row shows what W_U happens to see, not what the model
 * "believes". A token in an early row is often just a frequent one: see the check on marginals.
 */
import type { Model, Prompt, TokenizedPrompt } from '../../lab/index.ts'
import { atMost, type Check } from '../shared/checks.ts'
import { keepDone, partialResults, type Standing } from '../shared/keep-done.ts'
import { requireTopK } from '../shared/likely-tokens.ts'
import type { MethodOptions } from '../shared/options.ts'
import { Meter, type MethodResult } from '../shared/result.ts'
import { mean } from '../shared/statistics.ts'
import { type LensRead, type LensReading, lensHooks, lensReadings, lensReadout } from './lens-readout.ts'

/** What the lens keeps of every cell. */
export interface LensOptions extends MethodOptions {
  /** How many of the most probable tokens to give per cell; 5 unless said. */
  readonly topK?: number
}

/** The readings of every prompt, layer and position. */
export interface LensValues {
  /** `embed` (before block 0), then the number of the block that a row comes after. */
  readonly layers: readonly string[]
  readonly prompts: readonly {
    readonly prompt: TokenizedPrompt
    /** [layer][position]. */
    readonly cells: readonly (readonly LensReading[])[]
  }[]
}

/** Reads every layer of every prompt through the final norm and unembedding. Throws when `topK` exceeds the vocabulary. */
export async function logitLens(
  model: Model,
  prompts: readonly Prompt[],
  options: LensOptions = {},
): Promise<MethodResult<LensValues>> {
  const { topK = 5, signal, edits, prependBos } = options
  requireTopK(model, topK)
  const meter = new Meter(model)
  const { layers } = lensHooks(model.config)
  const lensOf = async (prompt: Prompt) => {
    const readout = lensReadout(model.config, topK)
    const run = await meter.run([prompt], { edits, prependBos, signal, readout })
    return { prompt: run.prompts[0]!, read: run.readout, provenance: run.provenance }
  }
  const assemble = (
    results: readonly Awaited<ReturnType<typeof lensOf>>[],
    standing: Standing,
  ): MethodResult<LensValues> => ({
    values: {
      layers,
      prompts: results.map(({ prompt, read }) => ({ prompt, cells: lensReadings(model, read, topK) })),
    },
    cost: meter.cost,
    edits: meter.edits,
    provenance: results[0]!.provenance,
    ...standing,
  })
  const onPartial = partialResults(options, assemble)
  const { results, complete } = await keepDone(prompts, 'prompts', options, { work: lensOf, onPartial })
  const reads = results.map(({ read }) => read)
  return assemble(results, { checks: lensChecks(layers, reads), complete })
}

/** Below this, in nats, a layer's overall token frequencies count as those of the model. */
const MARGINAL_KL = 1

function lensChecks(layers: readonly string[], reads: readonly LensRead[]): Check[] {
  const furthest = Math.max(...reads.map(({ furthest }) => Number(furthest![0]!.data[0])))
  const biases = layers.map((_, layer) => mean(reads.map(({ marginalKl }) => Number(marginalKl![0]!.data[layer]))))
  const worst = biases.indexOf(Math.max(...biases))
  const settled = biases.findLastIndex((bias) => !(bias <= MARGINAL_KL)) + 1
  return [
    atMost(
      {
        name: 'the lens at the last layer is the model',
        claimed: 'log-probabilities differ by less than 1e-4',
        why: 'otherwise the lens applies another final norm or unembedding than the model, or something is edited behind the last layer',
      },
      furthest,
      1e-4,
    ),
    atMost(
      {
        name: "every layer's marginal agrees with the final one",
        claimed: `KL of the distribution averaged over positions, final || layer, at most ${MARGINAL_KL} nat at every layer`,
        why: "where the residual basis drifts, a layer's overall token frequencies are off: its rows show what the unembedding happens to see, not what the model expects there",
      },
      biases[worst]!,
      MARGINAL_KL,
      `${biases[worst]!.toFixed(2)} nats at worst (row ${layers[worst]})${settled === 0 ? '' : `, below ${MARGINAL_KL} from row ${layers[settled] ?? 'none'} on`}`,
    ),
  ]
}
