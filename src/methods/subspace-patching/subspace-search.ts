import { throwIfAborted } from '../../errors/index.ts'
import type { Activation, EditFunction, Model } from '../../lab/index.ts'
import { ofPrompt } from '../../lab/index.ts'
import { tensor } from '../../tensor/index.ts'
import type { MethodOptions } from '../shared/options.ts'
import { withTracedEdits } from '../shared/own-edits.ts'
import { metricOfAll } from '../shared/question.ts'
import type { Meter } from '../shared/result.ts'
import { addScaled, type Basis, dot, inside, orthonormal, outside } from './subspace.ts'
import type { RoutedPair } from './subspace-runs.ts'
import { changed, type Site, type SiteDifference } from './subspace-site.ts'

/** Gradient steps of a search. */
export const SEARCH_STEPS = 80
/** How far the first step turns a direction; it falls linearly to 0. */
const FIRST_STEP = 0.3
/** Adam's averages. */
const [SLOPES, SQUARES] = [0.9, 0.99]
/** Pairs of which the whole effect is smaller than this cannot be restored. */
const SMALLEST_DIFFERENCE = 0.1

/** One pair at a site: how the corrupted run is patched with the clean one. */
export interface SearchedPair {
  readonly pair: RoutedPair
  readonly difference: SiteDifference
}

/**
 * Searches a subspace whose exchange makes the corrupted run answer as the clean one does (distributed alignment search, Geiger
 * et al. 2303.02536, with the model frozen): Adam on the mean over pairs of (1 - restored share)^2, from the directions in
 * which the runs differ most. With V's orthonormal columns and x' = x + V V'D, the gradient for V is g (V'D)' + D (V'g)'.
 */
export async function searchSubspace(
  model: Model,
  site: Site,
  pairs: readonly SearchedPair[],
  start: Basis,
  options: MethodOptions,
  meter: Meter,
): Promise<Basis> {
  const asked = pairs.filter(({ pair: { clean, corrupt } }) => Math.abs(clean - corrupt) >= SMALLEST_DIFFERENCE)
  if (asked.length === 0) return start
  let basis = start
  const averages = start.map(() => ({ slope: new Float64Array(site.size), square: new Float64Array(site.size) }))
  for (let step = 0; step < SEARCH_STEPS; step++) {
    throwIfAborted(options.signal)
    // Turning within the subspace changes nothing, and lengths are fixed: only what leads out of it counts.
    const slopes = (await slopesOf(model, site, asked, basis, options, meter)).map((slope) => outside(basis, slope))
    const length = FIRST_STEP * (1 - step / SEARCH_STEPS)
    basis = orthonormal(
      basis.map((direction, k) => {
        const { slope, square } = averages[k]!
        const moved = slopes[k]!.map((x, i) => {
          slope[i] = SLOPES * slope[i]! + (1 - SLOPES) * x
          square[i] = SQUARES * square[i]! + (1 - SQUARES) * x * x
          const corrected = slope[i]! / (1 - SLOPES ** (step + 1))
          return corrected / (Math.sqrt(square[i]! / (1 - SQUARES ** (step + 1))) + 1e-12)
        })
        const turned = direction.slice()
        // Adam's step is about 1 per feature
        addScaled(turned, moved, -length / Math.sqrt(site.size))
        return turned
      }),
    )
    options.onProgress?.({ phase: `searching in ${site.label}`, done: step + 1, total: SEARCH_STEPS, unit: 'steps' })
  }
  return basis
}

/** Pairs whose gradients are taken in one run. */
const PAIRS_PER_RUN = 16

/** The gradient of the mean of (1 - restored share)^2 for every direction [d]. */
async function slopesOf(
  model: Model,
  site: Site,
  pairs: readonly SearchedPair[],
  basis: Basis,
  { edits = [], signal }: MethodOptions,
  meter: Meter,
): Promise<Float64Array[]> {
  const slopes = basis.map(() => new Float64Array(site.size))
  for (let first = 0; first < pairs.length; first += PAIRS_PER_RUN) {
    const batch = pairs.slice(first, first + PAIRS_PER_RUN)
    const { metric, gradients } = await model.run(
      batch.map(({ pair }) => pair.intoCorrupt.target.ids),
      {
        edits: withTracedEdits(model, edits, new Map([[site.hook, exchange(batch, basis)]])),
        metric: metricOfAll(batch.map(({ pair }) => pair.asked)),
        grad: site.hook,
        signal,
      },
    )
    meter.addVariants(batch.length, edits)
    batch.forEach(({ pair: { clean, corrupt }, difference: { offsets, differences } }, i) => {
      const share = (metric![i]! - corrupt) / (clean - corrupt)
      // The run's gradient is that of the mean over its own rows.
      const factor = (-2 * (1 - share) * batch.length) / (clean - corrupt) / pairs.length
      const gradient = ofPrompt(gradients[site.hook] as Activation, i).data as Float32Array
      offsets.forEach((offset, p) => {
        const slope = gradient.subarray(offset, offset + site.size)
        basis.forEach((direction, k) => {
          addScaled(slopes[k]!, slope, factor * dot(direction, differences[p]!))
          addScaled(slopes[k]!, differences[p]!, factor * dot(direction, slope))
        })
      })
    })
  }
  return slopes
}

/** Puts every row's patched activation in place; what came before it is not computed. */
function exchange(pairs: readonly SearchedPair[], basis: Basis): EditFunction {
  const patched = pairs.map(({ difference: { target, offsets, differences } }) =>
    changed(
      target,
      offsets,
      differences.map((difference) => inside(basis, difference)),
    ),
  )
  return (x, { prompts }) => {
    const size = patched[prompts[0]!]!.length
    const data = new Float32Array(prompts.length * size)
    prompts.forEach((prompt, row) => {
      data.set(patched[prompt]!, row * size)
    })
    return tensor(data, x.shape)
  }
}
