/**
 * What the model expects next: which token, how surely, and how surprised is it by the one that came?
 *
 * Runs: one forward pass. After every position p the model gives a distribution over the vocabulary,
 *
 *     loss of the token that came   -ln p(token p+1)               (nats; 0 when it was certain, ln V when it guesses)
 *     entropy                       -sum_t p(t) ln p(t)            (nats; the loss that the model itself expects)
 *     rank of the token that came   how many tokens were likelier  (0 = it was the first choice)
 *
 * and its most probable tokens. The first token has no loss: nothing stands before it.
 *
 * Paper: Shannon 1951, "Prediction and Entropy of Printed English"; for models as predictors, Radford et al. 2019.
 *
 * How it misleads: a low loss does not say why the token was expected (a name that was copied and one that was understood cost
 * the same). Probabilities are about tokens, not words or claims: " Par" may be likely because "is" follows. A mean over a short
 * text is mostly about its few rare words, and tokens early in a text cost more for want of context.
 */
import {
  type Model,
  nextTokenTargets,
  type Prompt,
  type ReadoutContext,
  type TokenizedPrompt,
} from '../../lab/index.ts'
import type { Tensor } from '../../tensor/index.ts'
import { keepDone, partialResults, type Standing } from '../shared/keep-done.ts'
import { type LikelyToken, likelyTokens, requireTopK } from '../shared/likely-tokens.ts'
import type { MethodOptions } from '../shared/options.ts'
import { Meter, type MethodResult } from '../shared/result.ts'
import { mean } from '../shared/statistics.ts'
import { predictionChecks } from './prediction-checks.ts'

/** How much is kept of every distribution. */
export interface PredictionOptions extends MethodOptions {
  /** How many of the most probable tokens to give per position; 5 unless said. */
  readonly topK?: number
}

/** What the model expects after one position. */
export interface Expectation {
  /** Most probable first. */
  readonly top: readonly LikelyToken[]
  /** In nats. */
  readonly entropy: number
  /** -ln of the probability of the token that came, in nats; null after the last one, and for tokens that have no logit. */
  readonly loss: number | null
  /** How many tokens were more probable than the one that came; null where there is no loss. */
  readonly rank: number | null
}

/** What the model expects after every position of every prompt. */
export interface PredictionValues {
  readonly prompts: readonly {
    readonly prompt: TokenizedPrompt
    /** [position]: after that token. */
    readonly expectations: readonly Expectation[]
    /** Over the tokens that have a loss, in nats; null where none has. */
    readonly meanLoss: number | null
  }[]
}

/** Reads the predictions after every token of every prompt. Throws when `topK` exceeds the vocabulary. */
export async function nextTokenPredictions(
  model: Model,
  prompts: readonly Prompt[],
  options: PredictionOptions = {},
): Promise<MethodResult<PredictionValues>> {
  const { topK = 5, signal, edits, prependBos } = options
  requireTopK(model, topK)
  const meter = new Meter(model)
  const predict = async (prompt: Prompt) => {
    const readout = { reads: [], trace: (context: ReadoutContext) => tracePredictions(context, topK) }
    const run = await meter.run([prompt], { edits, prependBos, signal, readout })
    const numbers = (name: string) => Array.from(run.readout[name]?.[0]?.data ?? [], Number)
    const [ids, logProbabilities, entropies] = [numbers('ids'), numbers('logProbabilities'), numbers('entropy')]
    const [losses, ranks, variances] = [numbers('loss'), numbers('rank'), numbers('variance')]
    const came = run.prompts[0]!.ids.slice(1)
    const expectations = entropies.map((entropy, position) => {
      const hasLoss = position < came.length && came[position]! < model.config.d_vocab_out
      return {
        top: likelyTokens(model, ids, logProbabilities, position, topK),
        entropy,
        loss: hasLoss ? losses[position]! : null,
        rank: hasLoss ? ranks[position]! : null,
      }
    })
    const counted = expectations.flatMap(({ loss }) => (loss === null ? [] : [loss]))
    return {
      read: { prompt: run.prompts[0]!, expectations, meanLoss: counted.length > 0 ? mean(counted) : null },
      variances,
      provenance: run.provenance,
    }
  }
  const assemble = (
    results: readonly Awaited<ReturnType<typeof predict>>[],
    standing: Standing,
  ): MethodResult<PredictionValues> => ({
    values: { prompts: results.map(({ read }) => read) },
    cost: meter.cost,
    edits: meter.edits,
    provenance: results[0]!.provenance,
    ...standing,
  })
  const onPartial = partialResults(options, assemble)
  const { results, complete } = await keepDone(prompts, 'prompts', options, { work: predict, onPartial })
  const predicted = results.map(({ read, variances }) => ({ ...read, variances }))
  return assemble(results, { checks: predictionChecks(model, predicted), complete })
}

/** Distributions of rows of one length, [n, P, ...]; of the tokens that came, [n, P - 1]. */
function tracePredictions({ logits, tokens }: ReadoutContext, topK: number): Record<string, Tensor> {
  const scores = logits.logSoftmax() // [n, P, V]
  const top = scores.topK(topK)
  const weighted = scores.exp().mul(scores)
  const entropy = weighted.sum(-1).neg() // [n, P]
  const all = { ids: top.indices, logProbabilities: top.values, entropy }
  if (tokens.shape[1] === 1) return all
  const before = scores.slice(1, 0, -1) // [n, P-1, V]
  const next = nextTokenTargets(tokens, scores.shape.at(-1)!).tokens
  const came = before.gatherElements(next.unsqueeze(-1)) // [n, P-1, 1]
  return {
    ...all,
    loss: came.squeeze(-1).neg(),
    rank: came.less(before).cast('float32').sum(-1),
    // Of -ln p(token) when the token is drawn from the distribution itself.
    variance: weighted
      .mul(scores)
      .sum(-1)
      .slice(1, 0, -1)
      .sub(entropy.slice(1, 0, -1).square()),
  }
}
