/**
 * What a head looks for, from where its attention goes. Every detector is a set of pairs (query q, key k), with the score
 *
 *     mean over the queries that have such a key of   sum over these keys of A[q, k]
 *
 * - previous:  k = q - 1
 * - current:   k = q
 * - first:     k = 0
 * - duplicate: an earlier occurrence of q's token
 * - induction: the token after an earlier occurrence of q's token (prefix matching; Olsson et al. 2209.11895 with the
 *              erratum of 2022-09-20: the token that followed, not the one that preceded)
 *
 * for q >= 1. Scores lie in 0..1.
 */
import type { Model, Prompt, PromptArray, Readout, RunOptions, RunOutput } from '../../lab/index.ts'
import type { ModelConfig } from '../../models/index.ts'
import { einsum, stack, tensor } from '../../tensor/index.ts'
import type { MethodOptions } from '../shared/options.ts'

/** What a head may be found to do by its attention. */
export const HEAD_PATTERNS = ['previous', 'current', 'first', 'duplicate', 'induction'] as const
/** One of `HEAD_PATTERNS`. */
export type HeadPattern = (typeof HEAD_PATTERNS)[number]
/** Those that depend on which tokens stand where, not on positions alone. */
export const CONTENT_PATTERNS = ['duplicate', 'induction'] as const satisfies readonly HeadPattern[]

/** Whatever runs a model: the model, or a meter around it. */
export interface Runner {
  run(prompts: readonly Prompt[], options: RunOptions): Promise<RunOutput>
}

/** One number per head, [layer][head]. */
export type PerHead = readonly (readonly number[])[]
/** Scores of every detector; NaN for one that no query has a key for. */
export type PatternScores = Readonly<Record<HeadPattern, PerHead>>

/** How heads are scored. */
export interface PatternScoreOptions extends Omit<MethodOptions, 'seed' | 'onProgress'> {
  /**
   * The tokens that say which keys belong to which query, one list per prompt, each as long as its prompt; the prompt's own
   * unless said. With shuffled prompts and the structure of the unshuffled ones, scores are what positions alone explain.
   */
  readonly structure?: readonly (readonly number[])[]
}

/** The scores of all heads on every prompt. */
export async function headPatternScores(
  model: Model,
  prompts: readonly Prompt[],
  options: PatternScoreOptions = {},
  runner: Runner = model,
): Promise<PatternScores[]> {
  const { edits, prependBos, signal } = options
  const structure = options.structure ?? prompts.map((prompt) => model.tokenize(prompt, prependBos).ids)
  const run = await runner.run(prompts, {
    edits,
    prependBos,
    signal,
    readout: patternReadout(model.config, structure),
  })
  return run.readout.patterns!.map((array) => readPatterns(array, model.config))
}

/** Computes `patterns`, [n, detector, layer, head], inside a run; read it with `readPatterns`. */
export function patternReadout(config: ModelConfig, structure: readonly (readonly number[])[]): Readout {
  const hooks = Array.from({ length: config.n_layers }, (_, layer) => `blocks.${layer}.attn.hook_pattern`)
  return {
    reads: hooks,
    trace({ activation, prompts }) {
      const length = structure[prompts[0]!]!.length
      const weights = new Float32Array(prompts.length * HEAD_PATTERNS.length * length * length)
      prompts.forEach((prompt, row) => {
        weights.set(patternWeights(structure[prompt]!), row * HEAD_PATTERNS.length * length * length)
      })
      const masks = tensor(weights, [prompts.length, HEAD_PATTERNS.length, length, length])
      const layers = hooks.map((hook) => einsum('nhqk,nsqk->nsh', activation(hook), masks))
      return { patterns: stack(layers, 2) }
    },
  }
}

/** One prompt's part of what `patternReadout` computes. */
export function readPatterns({ data }: PromptArray, { n_layers, n_heads }: ModelConfig): PatternScores {
  const perHead = (s: number): PerHead =>
    Array.from({ length: n_layers }, (_, l) =>
      Array.from({ length: n_heads }, (_, h) => Number(data[(s * n_layers + l) * n_heads + h]!)),
    )
  return Object.fromEntries(HEAD_PATTERNS.map((name, s) => [name, perHead(s)])) as Record<HeadPattern, PerHead>
}

/** The weight of every pair in a detector's mean, [detector, query, key]; NaN where no query has a key. */
export function patternWeights(ids: readonly number[]): Float32Array {
  const length = ids.length
  const weights = new Float32Array(HEAD_PATTERNS.length * length * length)
  HEAD_PATTERNS.forEach((name, s) => {
    const keys = ids.map((_, q) => (q === 0 ? [] : keysOf(name, ids, q)))
    const queries = keys.filter((list) => list.length > 0).length
    keys.forEach((list, q) => {
      for (const k of list) weights[(s * length + q) * length + k] = 1 / queries
    })
    if (queries === 0) weights[s * length * length] = Number.NaN
  })
  return weights
}

function keysOf(name: HeadPattern, ids: readonly number[], q: number): number[] {
  if (name === 'previous') return [q - 1]
  if (name === 'current') return [q]
  if (name === 'first') return [0]
  const earlier = ids.flatMap((id, k) => (k < q && id === ids[q] ? [k] : []))
  // A token right after itself would be its own follower: that is the detector `current`.
  return name === 'duplicate' ? earlier : earlier.map((k) => k + 1).filter((k) => k < q)
}
