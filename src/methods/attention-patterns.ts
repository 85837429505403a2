/**
 * Attention patterns: from where does each head move information to where?
 *
 * Runs: one forward pass; `hook_pattern` of the chosen heads, rows (queries) that sum to 1 over keys. A head is summed up
 * by the means over queries q >= 1 of
 *
 *     previous = A[q, q-1]     first = A[q, 0]     diagonal = A[q, q]     entropy = -sum_k A[q, k] ln A[q, k]  (nats)
 *
 * Paper: Vig 1906.05714 (pictures of patterns); Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits".
 *
 * How it misleads: a pattern says where a head looks, not what it moves nor whether anything reads it; the values may be
 * tiny there (Jain & Wallace 1902.10186). Many heads rest on the first token when they have nothing to do. A score from one
 * prompt may come from its words rather than from the head: see the check with shuffled tokens.
 */
import { type Activation, type Model, ofPrompt, type Prompt, type TokenizedPrompt } from '../lab/index.ts'
import { atLeast, atMost, type Check, notTested } from './checks.ts'
import { keepDone, partialResults, type Standing } from './keep-done.ts'
import type { MethodOptions } from './options.ts'
import { Meter, type MethodResult } from './result.ts'
import { indicesWithin } from './selection.ts'
import { mean, shuffledIndices } from './statistics.ts'

/** Which heads are read. */
export interface AttentionOptions extends MethodOptions {
  /** All unless said. */
  readonly layers?: readonly number[]
  readonly heads?: readonly number[]
}

/** How much a head attends to the previous, the first or the own token, or how evenly (entropy, in nats). */
export type HeadScore = 'previous' | 'first' | 'diagonal' | 'entropy'
const POSITION_SCORES = ['previous', 'first', 'diagonal'] as const

/** Patterns of all prompts, and scores of the heads. */
export interface AttentionValues {
  readonly layers: readonly number[]
  readonly heads: readonly number[]
  readonly prompts: readonly {
    readonly prompt: TokenizedPrompt
    /** [layer][head][query][key], in the order of `layers` and `heads`. */
    readonly patterns: readonly (readonly (readonly (readonly number[])[])[])[]
  }[]
  /** [layer][head], means over prompts of at least two tokens; null when there is none. */
  readonly scores: Readonly<Record<HeadScore, readonly (readonly (number | null)[])[]>>
  /** The heads by falling score. */
  readonly ranking: Readonly<Record<HeadScore, readonly { layer: number; head: number; score: number }[]>>
}

/** The patterns of heads on prompts, with their scores. Throws for layers or heads that the model does not have. */
export async function attentionPatterns(
  model: Model,
  prompts: readonly Prompt[],
  options: AttentionOptions = {},
): Promise<MethodResult<AttentionValues>> {
  const { seed = 0, signal, edits, prependBos } = options
  const { n_layers, n_heads } = model.config
  const meter = new Meter(model)
  const layers = indicesWithin(options.layers, n_layers, 'layer')
  const heads = indicesWithin(options.heads, n_heads, 'head')
  const capture = layers.map((layer) => `blocks.${layer}.attn.hook_pattern`)
  const patternsOf = async (prompt: Prompt) => {
    const run = await meter.run([prompt], { capture, edits, prependBos, signal })
    const patterns = capture.map((hook) => rowsOf(run.captures[hook]!, heads))
    return { prompt: run.prompts[0]!, patterns, provenance: run.provenance }
  }
  const patternsTwice = async (prompt: Prompt) => {
    const own = await patternsOf(prompt)
    // The first token stays: it is the start token where there is one, and the place where heads rest.
    const { ids } = own.prompt
    const order = shuffledIndices(ids.length - 1, seed)
    const shuffled = await patternsOf([ids[0]!, ...order.map((i) => ids[i + 1]!)])
    return { ...own, shuffled: shuffled.patterns }
  }
  type Read = Awaited<ReturnType<typeof patternsTwice>>
  const assemble = (results: readonly Read[], standing: Standing): MethodResult<AttentionValues> => {
    const scores = scoresOf(results.map(({ patterns }) => patterns))
    return {
      values: {
        layers,
        heads,
        prompts: results.map(({ prompt, patterns }) => ({ prompt, patterns })),
        scores,
        ranking: mapScores((name) =>
          layers
            .flatMap((layer, l) => heads.map((head, h) => ({ layer, head, score: scores[name][l]![h]! })))
            .filter(({ score }) => score !== null)
            .sort((a, b) => b.score - a.score),
        ),
      },
      cost: meter.cost,
      edits: meter.edits,
      provenance: results[0]!.provenance,
      ...standing,
    }
  }
  const onPartial = partialResults(options, assemble)
  const { results, complete } = await keepDone(prompts, 'prompts', options, { work: patternsTwice, onPartial })
  const whole = assemble(results, { checks: [], complete })
  const shuffled = scoresOf(results.map(({ shuffled }) => shuffled))
  return { ...whole, checks: attentionChecks(layers, heads, whole.values.scores, shuffled, results) }
}

type Pattern = readonly (readonly number[])[]
type Patterns = readonly (readonly Pattern[])[]
type Scores = AttentionValues['scores']

const mapScores = <T>(make: (name: HeadScore) => T): Record<HeadScore, T> => ({
  previous: make('previous'),
  first: make('first'),
  diagonal: make('diagonal'),
  entropy: make('entropy'),
})

/** [H, Q, K] of one prompt as nested lists of the chosen heads. */
function rowsOf(activation: Activation, heads: readonly number[]): Pattern[] {
  const { data, shape } = ofPrompt(activation, 0)
  const [, queries, keys] = shape as [number, number, number]
  return heads.map((head) =>
    Array.from({ length: queries }, (_, q) => {
      const start = (head * queries + q) * keys
      return Array.from(data.subarray(start, start + keys) as Float32Array)
    }),
  )
}

function scoresOf(prompts: readonly Patterns[]): Scores {
  const long = prompts.filter((patterns) => patterns[0]![0]!.length > 1)
  return mapScores((name) =>
    prompts[0]!.map((heads, l) =>
      heads.map((_, h) => (long.length === 0 ? null : mean(long.map((patterns) => score(patterns[l]![h]!, name))))),
    ),
  )
}

function score(pattern: Pattern, name: HeadScore): number {
  return mean(
    pattern.slice(1).map((weights, i) => {
      const query = i + 1
      if (name === 'previous') return weights[query - 1]!
      if (name === 'first') return weights[0]!
      if (name === 'diagonal') return weights[query]!
      return -weights.reduce((sum, weight) => (weight > 0 ? sum + weight * Math.log(weight) : sum), 0)
    }),
  )
}

/** A position score below this is no habit that could be lost. */
const HABIT = 0.3
/** A score counts as the head's own habit when at least this share of it survives other words. */
const SURVIVES = 0.5
/** Beyond this share of all attention on the first token, patterns mostly show heads at rest. */
const RESTING = 0.5

function attentionChecks(
  layers: readonly number[],
  heads: readonly number[],
  scores: Scores,
  shuffled: Scores,
  results: readonly { prompt: TokenizedPrompt }[],
): Check[] {
  const shuffle = {
    name: 'position scores survive shuffled tokens',
    claimed: `the top head of each position score (where it reaches ${HABIT}) keeps at least ${SURVIVES * 100}% of it when the same tokens come in random order`,
  }
  const rest = {
    name: 'heads do not mostly rest on the first token',
    claimed: `at most ${RESTING * 100}% of all attention from later tokens goes to the first one`,
    why: 'a head that has nothing to move parks its attention on the first token: its pattern then says that it is idle, not that the first token matters',
  }
  const flat = mapScores((name) => scores[name].flat().flatMap((score) => (score === null ? [] : [score])))
  if (flat.first.length === 0) {
    const why = 'every prompt is a single token, which can only attend to itself'
    return [notTested(shuffle, why), notTested(rest, why)]
  }
  const isShort = results.every(({ prompt }) => prompt.ids.length < 4)
  const kept = POSITION_SCORES.filter((name) => Math.max(...flat[name]) >= HABIT).map((name) => {
    const top = flat[name].indexOf(Math.max(...flat[name]))
    const label = `L${layers[Math.floor(top / heads.length)]}H${heads[top % heads.length]}`
    const [before, after] = [flat[name][top]!, shuffled[name].flat()[top]!]
    return { share: after / before, said: `${name} ${label}: ${before.toFixed(2)} to ${after.toFixed(2)}` }
  })
  return [
    isShort || kept.length === 0
      ? notTested(
          shuffle,
          isShort
            ? 'prompts of fewer than four tokens have no order worth shuffling'
            : `no head's position score reaches ${HABIT}`,
        )
      : atLeast(
          {
            ...shuffle,
            why: 'a score that other words lower came from these words (content), not from a habit of the head; more prompts tell them apart',
          },
          Math.min(...kept.map(({ share }) => share)),
          SURVIVES,
          kept.map(({ said }) => said).join('; '),
        ),
    atMost(rest, mean(flat.first), RESTING),
  ]
}
