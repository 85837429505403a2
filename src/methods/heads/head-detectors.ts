/**
 * Head detectors: which heads do one of the known small jobs?
 *
 * Runs: random tokens repeated several times (25 tokens, 4 times, after the start token), the same tokens shuffled, and
 * texts where they are given. By attention: previous, current and first token, duplicate token, induction (see
 * head-patterns.ts); by output: copying (see copying.ts). Means over examples with 95 % bootstrap intervals. Beside each
 * score stands the attention on the same pairs of positions when the tokens there are shuffled, which is what the head's
 * habits of position explain, and what is beyond the null; heads that do a job are found by that (see head-findings.ts).
 *
 * Papers: Olsson et al. 2209.11895 (with the erratum of 2022-09-20), Elhage et al. 2021, Wang et al. 2211.00593.
 *
 * How it misleads: random tokens are nothing that the model was trained on; a head may do its job on text only, or
 * here only. A pattern does not say what is moved, nor whether it matters: an induction head by attention that copies
 * nothing predicts nothing. Heads that share a job each score low.
 */
import type { Model, Prompt, Readout } from '../../lab/index.ts'
import { keepDone, partialResults, type Standing } from '../shared/keep-done.ts'
import type { MethodOptions } from '../shared/options.ts'
import { type NamedToken, withText } from '../shared/question.ts'
import { Meter, type MethodResult } from '../shared/result.ts'
import { bootstrapMeans, mean } from '../shared/statistics.ts'
import { copyingReadout, readCopying } from './copying.ts'
import { detectorChecks } from './head-detector-checks.ts'
import { beyondNull, foundHeads, type HeadJob } from './head-findings.ts'
import { HEAD_PATTERNS, type HeadPattern, type PatternScores, patternReadout, readPatterns } from './head-patterns.ts'
import { type RepeatedTokensOptions, repeatedRandomTokens, shuffledTokens } from './repeated-tokens.ts'
import { nextTokenReadout, type RepeatedTokenLoss, readNextTokens, repeatedTokenLoss } from './token-losses.ts'

/** What a head may be found to do. */
export const HEAD_DETECTORS = [...HEAD_PATTERNS, 'copying'] as const
/** One of `HEAD_DETECTORS`. */
export type HeadDetector = (typeof HEAD_DETECTORS)[number]

/** How the random tokens are drawn. */
export type HeadDetectorOptions = MethodOptions & RepeatedTokensOptions

/** Means over examples, one per head. All lists are [layer][head]; null where no example has a pair to score. */
export interface HeadMeans {
  readonly scores: readonly (readonly (number | null)[])[]
  /** Ends of 95 % bootstrap intervals over examples; null for a single one. */
  readonly low: readonly (readonly (number | null)[])[] | null
  readonly high: readonly (readonly (number | null)[])[] | null
}

/** One detector over all heads. */
export interface DetectorScores extends HeadMeans {
  /** The same pairs of positions with shuffled tokens; null for copying, which has none. */
  readonly shuffled: readonly (readonly (number | null)[])[] | null
  /** What the null does not explain, example by example; null for copying. */
  readonly beyond: HeadMeans | null
}

/** A head with its score. */
export interface ScoredHead {
  readonly layer: number
  readonly head: number
  readonly score: number
  readonly low: number | null
  readonly high: number | null
  readonly shuffled: number | null
  /** What of it the null does not explain; null for copying. */
  readonly beyond: number | null
}

/** Scores of all heads. */
export interface HeadDetectorValues {
  readonly examples: number
  readonly period: number
  readonly repeats: number
  readonly startToken: NamedToken | null
  /** On repeated random tokens. */
  readonly random: Readonly<Record<HeadDetector, DetectorScores>>
  /** On the given texts; null when there are none. */
  readonly text: Readonly<Record<HeadPattern, DetectorScores>> | null
  /** The heads that do a job, on random tokens: beyond the null, and surely so. */
  readonly found: readonly HeadJob[]
  /** All heads by falling score on random tokens. */
  readonly ranking: Readonly<Record<HeadDetector, readonly ScoredHead[]>>
  readonly repeatedLoss: RepeatedTokenLoss
}

/** Scores every head of a model on repeated random tokens, and on texts where some are given. Throws as `repeatedRandomTokens` does. */
export async function headDetectors(
  model: Model,
  texts: readonly Prompt[],
  options: HeadDetectorOptions = {},
): Promise<MethodResult<HeadDetectorValues>> {
  const { seed = 0, signal, edits, prependBos } = options
  const { config } = model
  const meter = new Meter(model)
  const repeated = repeatedRandomTokens(model, options)
  const { startToken, period, repeats, sequences } = repeated
  const start = startToken === null ? 0 : 1
  const items = [
    ...sequences.map((ids) => ({ ids, isText: false })),
    ...texts.map((text) => ({ ids: model.tokenize(text, prependBos).ids, isText: true })),
  ]
  const score = async ({ ids, isText }: (typeof items)[number], index: number) => {
    const first = model.tokenizer?.bosId === ids[0] ? ids[0]! : isText ? null : startToken
    const sample = { start, tokens: ids.slice(start, start + period) }
    const patterns = patternReadout(config, [ids, ids])
    const run = await meter.run([ids, shuffledTokens(ids, first, seed + index)], {
      edits,
      signal,
      readout: isText ? patterns : together(patterns, copyingReadout(config, [sample, sample]), nextTokenReadout()),
    })
    const [own, shuffled] = run.readout.patterns!.map((array) => readPatterns(array, config)) as [
      PatternScores,
      PatternScores,
    ]
    return {
      isText,
      length: ids.length,
      own: isText ? own : { ...own, copying: readCopying(run.readout.copying![0]!, config) },
      shuffled,
      next: isText ? null : readNextTokens(run.readout, 0),
      provenance: run.provenance,
    }
  }
  const assemble = (
    results: readonly Awaited<ReturnType<typeof score>>[],
    standing: Standing,
  ): MethodResult<HeadDetectorValues> => {
    const onRandom = results.filter(({ isText }) => !isText)
    const onText = results.filter(({ isText }) => isText)
    const random = summarize(HEAD_DETECTORS, onRandom, seed)
    const values: HeadDetectorValues = {
      examples: onRandom.length,
      period,
      repeats,
      startToken: startToken === null ? null : withText(model, startToken),
      random,
      found: foundHeads(random),
      text: onText.length === 0 ? null : summarize(HEAD_PATTERNS, onText, seed),
      ranking: record(HEAD_DETECTORS, (name) => rank(random[name])),
      repeatedLoss: repeatedTokenLoss(
        repeated,
        onRandom.map(({ next }) => next!),
        seed,
      ),
    }
    return {
      values,
      cost: meter.cost,
      edits: meter.edits,
      provenance: results[0]!.provenance,
      ...standing,
    }
  }
  const onPartial = partialResults(options, assemble)
  const { results, complete } = await keepDone(items, 'examples', options, { work: score, onPartial })
  const whole = assemble(results, { checks: [], complete })
  return { ...whole, checks: detectorChecks(whole.values) }
}

/** What one example of `length` tokens gave. */
interface Example {
  readonly length: number
  readonly own: Partial<Record<HeadDetector, readonly (readonly number[])[]>>
  readonly shuffled: PatternScores
}

function summarize<Name extends HeadDetector>(
  names: readonly Name[],
  examples: readonly Example[],
  seed: number,
): Record<Name, DetectorScores> {
  return record(names, (name) => {
    const own = examples.map((example) => example.own[name]!)
    const heads = own[0]![0]!.length
    const grid = (values: readonly (number | null)[]) =>
      own[0]!.map((_, layer) => values.slice(layer * heads, (layer + 1) * heads))
    const gridsOf = (rows: readonly (readonly number[])[]): HeadMeans => {
      const { means, low, high } = summarizeHeads(rows, seed)
      return { scores: grid(means), low: low && grid(low), high: high && grid(high) }
    }
    const rows = own.map((scores) => scores.flat())
    if (name === 'copying') return { ...gridsOf(rows), shuffled: null, beyond: null }
    const shuffled = examples.map((example) => example.shuffled[name as HeadPattern].flat())
    const beyond = rows.map((row, i) => beyondNull(name as HeadPattern, row, shuffled[i]!, examples[i]!.length))
    return { ...gridsOf(rows), shuffled: gridsOf(shuffled).scores, beyond: gridsOf(beyond) }
  })
}

/** Means over the examples that have a score, [head]; whether an example has one does not depend on the head. */
function summarizeHeads(rows: readonly (readonly number[])[], seed: number) {
  const scored = rows.filter(([first]) => !Number.isNaN(first))
  const columns = rows[0]!
  if (scored.length === 0) return { means: columns.map(() => null), low: null, high: null }
  const means = columns.map((_, i) => mean(scored.map((row) => row[i]!)))
  if (scored.length === 1) return { means, low: null, high: null }
  const intervals = bootstrapMeans(scored, seed)
  return { means, low: intervals.map(({ low }) => low), high: intervals.map(({ high }) => high) }
}

function rank({ scores, low, high, shuffled, beyond }: DetectorScores): ScoredHead[] {
  return scores
    .flatMap((heads, layer) =>
      heads.flatMap((score, head) => {
        const at = (grid: DetectorScores['low']) => (grid === null ? null : grid[layer]![head]!)
        if (score === null) return []
        const nulls = { shuffled: at(shuffled), beyond: at(beyond?.scores ?? null) }
        return [{ layer, head, score, low: at(low), high: at(high), ...nulls }]
      }),
    )
    .sort((a, b) => b.score - a.score)
}

/** Several readouts of one run. */
function together(...readouts: readonly Readout[]): Readout {
  return {
    reads: readouts.flatMap(({ reads }) => reads),
    trace: (context) => Object.assign({}, ...readouts.map(({ trace }) => trace(context))),
  }
}

const record = <Name extends string, T>(names: readonly Name[], make: (name: Name) => T) =>
  Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, T>
