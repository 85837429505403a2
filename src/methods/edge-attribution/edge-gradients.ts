import type { ArrayValue, EditFunction, Model } from '../../lab/index.ts'
import type { ModelConfig } from '../../models/index.ts'
import { concat, type Tensor, tensor } from '../../tensor/index.ts'
import { type Direction, type PreparedPair, type Route, routeOf, sourceValues } from '../patching/prompt-pair.ts'
import type { MethodOptions } from '../shared/options.ts'
import { withTracedEdits } from '../shared/own-edits.ts'
import type { Meter } from '../shared/result.ts'
import { firstDifference } from './edge-inputs.ts'
import { senderHooks } from './edge-parts.ts'
import { assembleScores, scoredHooks, traceScores } from './edge-products.ts'

/** First-order effects of all edges of one pair. */
export interface EdgeScores {
  readonly route: Route
  /** Estimated changes of the metric, all senders by all receivers in row-major order; null where the sender does not reach the receiver. */
  readonly scores: readonly (number | null)[]
  readonly sourceMetric: number
  readonly targetMetric: number
}

/**
 * Scores every edge by (what the sender holds in the source run - in the target run) times the gradient of the metric by what the
 * receiver reads: at the target run for one step, or averaged over `steps` runs between both (trapezoidal rule) whose token
 * embeddings are mixed. One graph, forward and backward, in which the source is one row more, where prompts have one length.
 */
export async function edgeScores(
  model: Model,
  pair: PreparedPair,
  direction: Direction,
  {
    steps,
    positions: asked,
    edits = [],
    signal,
  }: MethodOptions & { steps: number; positions?: readonly number[] | undefined },
  meter: Meter,
): Promise<EdgeScores> {
  const route = routeOf(pair, direction)
  const { source, target, sourceOf } = route
  const { metric } = pair.asked
  const held = senderHooks(model.config)
  const { reads, differentiates } = scoredHooks(model)
  // Before the runs differ senders write the same, so that nothing is passed on.
  const start = firstDifference(route, edits)
  const positions = (asked ?? sourceOf.map((_, p) => p)).filter((p) => p >= start && sourceOf[p] !== null)
  // A mean over the run's own prompts is not to be one over both prompts.
  const isTogether = route.equalLength && !edits.some((edit) => edit.kind === 'mean' && edit.prompts === undefined)
  const alone = isTogether ? null : await meter.run([source.ids], { capture: held, metric, edits, signal })
  const given = (hook: string): Tensor | undefined =>
    alone ? fromArray(sourceValues(alone.captures[hook]!, route)) : undefined
  const first = isTogether ? 1 : 0
  const traced = new Map<string, EditFunction>(
    steps > 1 ? [['hook_embed', mixture(given('hook_embed'), route, steps)]] : [],
  )
  // No later position's gradient passes through the positions before, so that theirs are not computed.
  for (const hook of start > 0 ? passedOn(model.config) : []) traced.set(hook, (x) => cutBefore(x, start))
  const run = await model.run(
    [...(isTogether ? [source.ids] : []), ...Array.from({ length: steps }, () => target.ids)],
    {
      metric,
      edits: withTracedEdits(model, edits, traced),
      readout: {
        reads: [...held, ...reads],
        differentiates,
        acrossPrompts: true,
        trace({ activation, gradient }) {
          const runs = {
            source: (hook: string) => given(hook) ?? activation(hook).get(0),
            target: (hook: string) => activation(hook).get(first),
            activation: (hook: string) => activation(hook).slice(0, first),
            gradient: (hook: string) => gradient(hook).slice(0, first),
          }
          const scores = traceScores(model, runs, positions, trapezoid(steps))
          return Object.fromEntries(scores.map((part, i) => [i, part]))
        },
      },
      signal,
    },
  )
  if (isTogether) meter.addFirings(1, edits)
  meter.addVariants(steps, edits)
  return {
    route,
    scores: assembleScores(
      model,
      Object.values(run.readout).map(([part]) => part!),
    ),
    sourceMetric: (alone ?? run).metric![0]!,
    targetMetric: run.metric![first]!,
  }
}

/** The hooks through which a block's positions reach the rest of the model. */
const passedOn = ({ n_layers }: ModelConfig): string[] =>
  Array.from({ length: n_layers }, (_, l) => [`blocks.${l}.hook_resid_pre`, `blocks.${l}.attn.hook_z`]).flat()

/** x [n, P, ...], through whose positions before `start` no gradient passes. */
const cutBefore = (x: Tensor, start: number): Tensor =>
  concat([x.slice(1, 0, start).stopGradient(), x.slice(1, start)], 1)

const fromArray = ({ data, shape }: ArrayValue): Tensor => tensor(data as Float32Array, shape)

/** Mixes the source's embeddings, given or the first row's, into the rows behind: none into the first of these, all into the last. */
function mixture(given: Tensor | undefined, { sourceOf }: Route, steps: number): EditFunction {
  const shares = Array.from({ length: steps }, (_, i) => i / (steps - 1))
  const corresponds = Uint8Array.from(sourceOf, (from) => (from === null ? 0 : 1))
  return (x) => {
    const difference = (given?.unsqueeze(0) ?? x.slice(0, 0, 1)).sub(x)
    const ofRows = tensor(given ? shares : [0, ...shares], [x.shape[0]!, 1, 1], 'float32')
    return tensor(corresponds, [1, sourceOf.length, 1], 'bool').where(x.add(ofRows.mul(difference)), x)
  }
}

/** Weights of a mean over equally spaced points, both ends included. */
function trapezoid(points: number): number[] {
  if (points === 1) return [1]
  return Array.from({ length: points }, (_, i) => (i === 0 || i === points - 1 ? 0.5 : 1) / (points - 1))
}
