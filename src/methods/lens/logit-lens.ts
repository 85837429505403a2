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
 * "believes". The row of the embedding is no layer's: it shows what the unembedding makes of each token by itself.
 */
import type { Model, Prompt, TokenizedPrompt } from '../../lab/index.ts'
import { atMost, type Check, notTested } from '../shared/checks.ts'
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
  const whole = assemble(results, { checks: [], complete })
  return { ...whole, checks: lensChecks(model, whole.values, reads) }
}

/** A row may be further from the model's answer than a guess by this, in nats: a row that knows nothing is as far. */
const LEEWAY = 0.05

/** Below this, in nats, a layer's overall token frequencies count as those of the model. */
const MARGINAL_KL = 1

function lensChecks({ config }: Model, values: LensValues, reads: readonly LensRead[]): Check[] {
  const furthest = Math.max(...reads.map(({ furthest }) => Number(furthest![0]!.data[0])))
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
    guessCheck(values, Math.log(config.d_vocab_out)),
    marginalCheck(values.layers, reads),
  ]
}

/** A row's overall token frequencies are off where the basis drifts, and also wherever a row knows nothing yet. */
function marginalCheck(layers: readonly string[], reads: readonly LensRead[]): Check {
  const biases = layers.map((_, layer) => mean(reads.map(({ marginalKl }) => Number(marginalKl![0]!.data[layer]))))
  const worst = biases.indexOf(Math.max(...biases))
  const settled = biases.findLastIndex((bias) => !(bias <= MARGINAL_KL)) + 1
  return atMost(
    {
      name: "every layer's marginal agrees with the final one",
      claimed: `KL of the distribution averaged over positions, final || layer, at most ${MARGINAL_KL} nat at every layer`,
      why: "where the residual basis drifts, or nothing is decided yet, a layer's overall token frequencies are off: its rows show what the unembedding happens to see there, frequent tokens above all",
    },
    biases[worst]!,
    MARGINAL_KL,
    `${biases[worst]!.toFixed(2)} nats at worst (row ${layers[worst]})${settled === 0 ? '' : `, below ${MARGINAL_KL} from row ${layers[settled] ?? 'none'} on`}`,
  )
}

/** `most` is the entropy of a guess that finds all tokens alike, ln V. */
function guessCheck({ layers, prompts }: LensValues, most: number): Check {
  const claim = {
    name: 'rows after layers are closer to the answer than a guess',
    claimed: `KL(final || row) at most that of a guess that finds all tokens alike, but for ${LEEWAY} nats, in every row but the embedding's`,
    why: "a row that is worse than knowing nothing is sure of something else: it stands in another basis than the unembedding reads, or a later layer takes back what it says. The row of the embedding is no layer's, and is not judged",
  }
  const last = layers.length - 1
  const over = (row: number, number: (cell: LensReading) => number) =>
    mean(prompts.flatMap(({ cells }) => cells[row]!.map(number)))
  const guess = most - over(last, ({ entropy }) => entropy)
  const rows = layers.map((_, row) => row).slice(1, last)
  if (rows.length === 0) return notTested(claim, 'the only layer is the last, whose row is the model')
  const kl = rows.map((row) => over(row, (cell) => cell.kl))
  const worst = kl.indexOf(Math.max(...kl))
  const settled = kl.findLastIndex((nats) => !(nats <= guess + LEEWAY)) + 1
  const from = settled === 0 ? '' : `; closer from row ${layers[rows[settled] ?? last]} on`
  const said = `${kl[worst]!.toFixed(2)} nats at worst (row ${layers[rows[worst]!]}), ${guess.toFixed(2)} for the guess${from}`
  return atMost(claim, kl[worst]!, guess + LEEWAY, said)
}
