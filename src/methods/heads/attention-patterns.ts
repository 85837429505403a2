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
import { type Model, ofPrompt, type Prompt, type RunOutput, type TokenizedPrompt } from '../../lab/index.ts'
import { atLeast, atMost, type Check, notTested } from '../shared/checks.ts'
import { keepDone, partialResults, type Standing } from '../shared/keep-done.ts'
import type { MethodOptions } from '../shared/options.ts'
import { Meter, type MethodResult } from '../shared/result.ts'
import { indicesWithin } from '../shared/selection.ts'
import { mean, shuffledIndices } from '../shared/statistics.ts'

/** Which heads are read. */
export interface AttentionOptions extends MethodOptions {
  /** All unless said. */
  readonly layers?: readonly number[]
  readonly heads?: readonly number[]
}

/** How much a head attends to the previous, the first or the own token, or how evenly (entropy, in nats). */
export type HeadScore = 'previous' | 'first' | 'diagonal' | 'entropy'
const POSITION_SCORES = ['previous', 'first', 'diagonal'] as const

/** One prompt's attention weights: the rows (queries) of a head sum to 1 over keys. */
export interface PatternArray {
  readonly axes: readonly ['layer', 'head', 'query', 'key']
  readonly shape: readonly [layers: number, heads: number, queries: number, keys: number]
  readonly dtype: 'float32'
  readonly data: Float32Array
}

/** Patterns of all prompts, and scores of the heads. */
export interface AttentionValues {
  readonly layers: readonly number[]
  readonly heads: readonly number[]
  readonly prompts: readonly {
    readonly prompt: TokenizedPrompt
    /** In the order of `layers` and `heads`. */
    readonly patterns: PatternArray
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
    const prompted = run.prompts[0]!
    const patterns = patternArray(run, capture, heads, prompted.ids.length)
    return { prompt: prompted, patterns, scores: scoresOf(patterns), provenance: run.provenance }
  }
  const patternsTwice = async (prompt: Prompt) => {
    const own = await patternsOf(prompt)
    // The first token stays: it is the start token where there is one, and the place where heads rest.
    const { ids } = own.prompt
    const order = shuffledIndices(ids.length - 1, seed)
    const shuffled = await patternsOf([ids[0]!, ...order.map((i) => ids[i + 1]!)])
    return { ...own, shuffled: shuffled.scores }
  }
  type Read = Awaited<ReturnType<typeof patternsTwice>>
  const assemble = (results: readonly Read[], standing: Standing): MethodResult<AttentionValues> => {
    const scores = meanScores(results.map(({ scores }) => scores))
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
  const shuffled = meanScores(results.map(({ shuffled }) => shuffled))
  return { ...whole, checks: attentionChecks(layers, heads, whole.values.scores, shuffled, results) }
}

type Scores = AttentionValues['scores']

const mapScores = <T>(make: (name: HeadScore) => T): Record<HeadScore, T> => ({
  previous: make('previous'),
  first: make('first'),
  diagonal: make('diagonal'),
  entropy: make('entropy'),
})

/** The chosen heads of the captured hooks of a run of one prompt, copied once. */
function patternArray(
  { captures }: RunOutput,
  hooks: readonly string[],
  heads: readonly number[],
  length: number,
): PatternArray {
  const size = length * length
  const data = new Float32Array(hooks.length * heads.length * size)
  hooks.forEach((hook, l) => {
    const layer = ofPrompt(captures[hook]!, 0).data as Float32Array // [H, Q, K]
    heads.forEach((head, h) => {
      data.set(layer.subarray(head * size, (head + 1) * size), (l * heads.length + h) * size)
    })
  })
  const shape = [hooks.length, heads.length, length, length] as const
  return { axes: ['layer', 'head', 'query', 'key'], shape, dtype: 'float32', data }
}

/** One prompt's scores; null for a prompt of a single token. */
function scoresOf({ shape: [layers, heads, length], data }: PatternArray): Scores {
  const size = length * length
  return mapScores((name) =>
    Array.from({ length: layers }, (_, l) =>
      Array.from({ length: heads }, (_, h) => {
        const start = (l * heads + h) * size
        return length > 1 ? score(data.subarray(start, start + size), length, name) : null
      }),
    ),
  )
}

/** Means over the prompts that have scores. */
function meanScores(prompts: readonly Scores[]): Scores {
  return mapScores((name) =>
    prompts[0]![name].map((heads, l) =>
      heads.map((_, h) => {
        const scores = prompts.flatMap((scores) => scores[name][l]![h] ?? [])
        return scores.length === 0 ? null : mean(scores)
      }),
    ),
  )
}

/** `pattern`: [query, key] of one head. */
function score(pattern: Float32Array, length: number, name: HeadScore): number {
  let sum = 0
  for (let query = 1; query < length; query++) {
    const row = query * length
    if (name === 'previous') sum += pattern[row + query - 1]!
    else if (name === 'first') sum += pattern[row]!
    else if (name === 'diagonal') sum += pattern[row + query]!
    else sum += entropy(pattern.subarray(row, row + length))
  }
  return sum / (length - 1)
}

function entropy(weights: Float32Array): number {
  let sum = 0
  for (const weight of weights) if (weight > 0) sum -= weight * Math.log(weight)
  return sum
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
