import { DiopterError, throwIfAborted, type WorkOptions } from '../../errors/index.ts'
import { logitDifference, type Model } from '../../lab/index.ts'
import { namedToken } from '../../methods/shared/question.ts'
import type { PromptPair } from '../../train/templates/index.ts'

/** How well a model does a task of prompt pairs. */
export interface PairScore {
  readonly pairs: number
  /** Fraction of pairs with logit(answer) > logit(wrong) after the clean prompt. */
  readonly solved: number
  /** Fraction of pairs where moreover the corrupted prompt turns the preference round. A model that does not look at what differs has 0. */
  readonly turned: number
  /** logit(answer) - logit(wrong) of every pair, in logits: after the clean prompt, and after the corrupted one. */
  readonly clean: readonly number[]
  readonly corrupt: readonly number[]
}

const pairsPerRun = 32

/**
 * Scores a model on prompt pairs.
 * @throws DiopterError when there are no pairs, the model has no tokenizer, or an answer is not one token.
 */
export async function scorePairs(
  model: Model,
  pairs: readonly PromptPair[],
  { signal, onProgress }: WorkOptions = {},
): Promise<PairScore> {
  if (pairs.length === 0) throw new DiopterError('There are no prompt pairs to score.')
  const clean: number[] = []
  const corrupt: number[] = []
  for (let start = 0; start < pairs.length; start += pairsPerRun) {
    throwIfAborted(signal)
    onProgress?.({ phase: 'score pairs', done: start, total: pairs.length, unit: 'pairs' })
    const batch = pairs.slice(start, start + pairsPerRun)
    const ids = (side: 'answer' | 'wrong') => batch.map((pair) => namedToken(model, pair[side]).id)
    const metric = logitDifference(ids('answer'), ids('wrong'))
    for (const [side, differences] of [['clean', clean] as const, ['corrupt', corrupt] as const]) {
      const output = await model.run(
        batch.map((pair) => pair[side]),
        { metric, signal },
      )
      differences.push(...output.metric!)
    }
  }
  onProgress?.({ phase: 'score pairs', done: pairs.length, total: pairs.length, unit: 'pairs' })
  const fraction = (holds: (index: number) => boolean) => pairs.filter((_, i) => holds(i)).length / pairs.length
  return {
    pairs: pairs.length,
    solved: fraction((i) => clean[i]! > 0),
    turned: fraction((i) => clean[i]! > 0 && corrupt[i]! < 0),
    clean,
    corrupt,
  }
}
