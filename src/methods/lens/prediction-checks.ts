import type { Model, TokenizedPrompt } from '../../lab/index.ts'
import { atMost, type Check, notTested } from '../shared/checks.ts'
import { mean } from '../shared/statistics.ts'

/** A prompt with what was expected of it. */
export interface PredictedPrompt {
  readonly prompt: TokenizedPrompt
  readonly expectations: readonly { readonly entropy: number; readonly loss: number | null }[]
  /** Of every token that came: the variance of its loss had it been drawn from the model's own distribution. */
  readonly variances: readonly number[]
}

/** From this many tokens on, the mean loss says something about the text. */
const ENOUGH = 8
/** How many standard deviations the loss may lie from what the model itself expects. */
const SURPRISING = 3

/** Whether probabilities can be taken at their word on these prompts. */
export function predictionChecks(model: Model, prompts: readonly PredictedPrompt[]): Check[] {
  const came = prompts.flatMap(({ expectations, variances }) =>
    expectations.flatMap(({ loss, entropy }, p) => (loss === null ? [] : [{ loss, entropy, variance: variances[p]! }])),
  )
  return [chanceCheck(model, came), calibrationCheck(came), startCheck(model, prompts)]
}

type Came = readonly { readonly loss: number; readonly entropy: number; readonly variance: number }[]

function chanceCheck({ config: { d_vocab_out } }: Model, came: Came): Check {
  const guessing = Math.log(d_vocab_out)
  const claim = {
    name: 'the text is predicted better than by guessing',
    claimed: `a mean loss of at most ${guessing.toFixed(2)} nats, ln of the ${d_vocab_out} tokens of the vocabulary`,
    why: 'a model that does worse than ignoring the text was not made for this kind of text, got the wrong tokens, or is broken by an edit',
  }
  if (came.length === 0) return notTested(claim, 'a single token has nothing before it to be predicted from')
  return atMost(claim, mean(came.map(({ loss }) => loss)), guessing)
}

/**
 * Were the tokens drawn from the model, every loss would have the entropy as its mean, given all before it; so the sum of
 * loss - entropy is a martingale with a known variance.
 */
function calibrationCheck(came: Came): Check {
  const claim = {
    name: 'the text is as surprising as the model expects',
    claimed: `the mean loss is the mean entropy, within ${SURPRISING} standard deviations of what chance allows`,
    why: 'elsewhere the model is surer (or less sure) of itself than it is right on this text: take its probabilities as an order, not as odds. Agreement on one text is no proof of calibration',
  }
  if (came.length < ENOUGH)
    return notTested(claim, `there are ${came.length} predicted tokens; fewer than ${ENOUGH} say nothing`)
  const [loss, entropy] = [mean(came.map(({ loss }) => loss)), mean(came.map(({ entropy }) => entropy))]
  const deviation = Math.sqrt(came.reduce((sum, { variance }) => sum + Math.max(variance, 0), 0)) / came.length
  const away = Math.abs(loss - entropy) / deviation
  const said = `loss ${loss.toFixed(2)}, entropy ${entropy.toFixed(2)} nats: ${away.toFixed(1)} standard deviations over ${came.length} tokens`
  return atMost(claim, away, SURPRISING, said)
}

function startCheck({ tokenizer }: Model, prompts: readonly PredictedPrompt[]): Check {
  const start = tokenizer?.encode('').startToken ?? null
  const claim = {
    name: 'prompts begin as the tokenizer begins texts',
    claimed: `every prompt begins with the start token${start?.token == null ? '' : ` ${start.token}`}`,
    why: 'without it the first tokens stand where the model never saw a text begin, and heads have nothing to rest on',
  }
  if (start?.id == null)
    return notTested(
      claim,
      `${tokenizer === null ? 'there is no tokenizer' : 'the tokenizer puts no start token before texts'}, so nothing says how texts begin: distrust what follows the first few tokens`,
    )
  const without = prompts.filter(({ prompt }) => prompt.ids[0] !== start.id).length
  return atMost(claim, without, 0, without === 0 ? 'all do' : `${without} of ${prompts.length} do not`)
}
