import type { Model, Readout } from '../../lab/index.ts'
import type { RandomSource } from '../../random/index.ts'
import { einsum, tensor } from '../../tensor/index.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { Meter } from '../shared/result.ts'
import { mean } from '../shared/statistics.ts'
import type { Activated, ActivationSample } from './activation-sample.ts'
import type { ResolvedTarget } from './activation-target.ts'

/** How like the top examples the rest of the top percent is. */
export interface Typicality {
  /** Positions of the top percent, and of all, that were compared. */
  readonly compared: number
  readonly random: number
  /** Share of those of the top percent that are closer to the top examples than 95 % of random positions. */
  readonly close: number
}

/** Positions of the top percent that are compared at most, at least, and random ones beside them. */
const COMPARED = 48
const FEWEST = 8
const RANDOM = 100
/** Share of random positions that a similar one must exceed. */
const ABOVE = 0.95
/** Tokens that are run at once. */
const BATCH = 4096

/**
 * Compares the residual stream before the target's layer at the top examples, in the rest of the top percent, and at random positions
 * (cosines, less the random positions' mean). Null where the sample has too few positions of the top percent.
 */
export async function typicality(
  model: Model,
  target: ResolvedTarget,
  collected: ActivationSample,
  fromValue: number,
  random: RandomSource,
  options: MethodOptions,
  meter: Meter,
): Promise<Typicality | null> {
  const tops = new Set(collected.top.map(({ sequence }) => sequence))
  const band = collected.sample.flatMap((sequence) =>
    tops.has(sequence) ? [] : positionsOf(sequence).filter(({ activation }) => activation >= fromValue),
  )
  if (band.length < FEWEST || collected.top.length === 0) return null
  const compared = drawn(band, COMPARED, random)
  const others = Array.from({ length: RANDOM }, () => {
    const sequence = collected.sample[random.integer(collected.sample.length)]!
    const list = positionsOf(sequence)
    return list[random.integer(list.length)]!
  })
  const vectors = await vectorsAt(model, target, [...collected.top, ...compared, ...others], options, meter)
  const base = vectors.slice(-RANDOM)
  const centre = base[0]!.map((_, i) => mean(base.map((vector) => vector[i]!)))
  const directions = vectors.map((vector) => unit(vector, centre))
  const top = directions.slice(0, collected.top.length)
  const similarity = (from: number, to: number) =>
    directions.slice(from, to).map((vector) => mean(top.map((other) => dot(vector, other))))
  const upper = similarity(top.length, top.length + compared.length)
  const limit = similarity(top.length + compared.length, vectors.length).sort((a, b) => a - b)
  const close = upper.filter((value) => value > limit[Math.ceil(ABOVE * RANDOM) - 1]!).length
  return { compared: compared.length, random: RANDOM, close: close / compared.length }
}

function positionsOf(sequence: Activated['sequence']): Activated[] {
  return Array.from({ length: sequence.ids.length - sequence.from }, (_, i) => {
    const position = i + sequence.from
    return { sequence, position, activation: sequence.values[position]! }
  })
}

function drawn<T>(list: readonly T[], count: number, random: RandomSource): T[] {
  const left = [...list]
  return Array.from({ length: Math.min(count, list.length) }, () => left.splice(random.integer(left.length), 1)[0]!)
}

/** The residual stream at every position, [d] each. */
async function vectorsAt(
  model: Model,
  { layer }: ResolvedTarget,
  places: readonly Activated[],
  { edits, signal }: MethodOptions,
  meter: Meter,
): Promise<number[][]> {
  const hook = layer === null ? `blocks.${model.config.n_layers - 1}.hook_resid_post` : `blocks.${layer}.hook_resid_pre`
  const vectors: number[][] = []
  const longest = Math.max(...places.map(({ sequence }) => sequence.ids.length))
  const rows = Math.max(1, Math.floor(BATCH / longest))
  for (let from = 0; from < places.length; from += rows) {
    const some = places.slice(from, from + rows)
    const readout: Readout = {
      reads: hook,
      trace({ activation, prompts }) {
        const length = some[prompts[0]!]!.sequence.ids.length
        const weights = new Float32Array(prompts.length * length)
        prompts.forEach((prompt, row) => {
          weights[row * length + some[prompt]!.position] = 1
        })
        return { vectors: einsum('npd,np->nd', activation(hook), tensor(weights, [prompts.length, length])) }
      },
    }
    const run = await meter.run(
      some.map(({ sequence }) => sequence.ids),
      { edits, signal, readout },
    )
    vectors.push(...run.readout.vectors!.map(({ data }) => Array.from(data as Float32Array)))
  }
  return vectors
}

function unit(vector: readonly number[], centre: readonly number[]): number[] {
  const away = vector.map((x, i) => x - centre[i]!)
  const length = Math.hypot(...away) || 1
  return away.map((x) => x / length)
}

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)
