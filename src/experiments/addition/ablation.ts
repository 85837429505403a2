import type { WorkOptions } from '../../errors/index.ts'
import type { Forward } from '../../models/index.ts'
import { type Tensor, tensor } from '../../tensor/index.ts'
import type { Question } from '../../train/tasks/addition/categories.ts'
import { equalsPosition, predictingPosition } from '../../train/tasks/addition/format.ts'
import { type Adder, type AnswerScores, digitErrors, meanLoss, meansOver, scoreAnswers } from './adder.ts'

type Values = { readonly shape: readonly number[]; readonly data: Float32Array }

/** Mean activations by position, over random questions: what an ablation puts in place of the model's own. */
export interface MeanActivations {
  /** By layer, what each head mixed: [positions, heads, d_head]. */
  readonly z: readonly Values[]
  /** By layer, the residual stream after it: [positions, d_model]. */
  readonly residual: readonly Values[]
}

/** Mean activations over questions. */
export async function meanActivations(
  adder: Adder,
  questions: readonly Question[],
  options: WorkOptions = {},
): Promise<MeanActivations> {
  const layers = adder.model.config.n_layers
  const names = ['attn.hook_z', 'hook_resid_post'].flatMap((hook) =>
    Array.from({ length: layers }, (_, layer) => `blocks.${layer}.${hook}`),
  )
  const means = await meansOver(adder, questions, (hooked) => names.map((name) => hooked.get(name)!), options)
  return { z: means.slice(0, layers), residual: means.slice(layers) }
}

/** Mean loss per answer token with one head ablated. */
export interface HeadAblation {
  readonly layer: number
  readonly head: number
  readonly kind: 'zero' | 'mean'
  /** Nats more than unablated, by question category. */
  readonly lossChange: Readonly<Record<string, number>>
}

/** Ablates each head in turn, at every position, with zeros and with its mean. */
export async function ablateHeads(
  adder: Adder,
  means: MeanActivations,
  byCategory: ReadonlyMap<string, readonly Question[]>,
  options: WorkOptions = {},
): Promise<HeadAblation[]> {
  const { n_layers, n_heads } = adder.model.config
  const lossOf = async (questions: readonly Question[], hook?: Forward['hook']) =>
    meanLoss(await scoreAnswers(adder, questions, hook ? { ...options, hook } : options))
  const base = new Map<string, number>()
  for (const [category, questions] of byCategory) base.set(category, await lossOf(questions))
  const ablations: HeadAblation[] = []
  for (let layer = 0; layer < n_layers; layer++) {
    for (let head = 0; head < n_heads; head++) {
      for (const kind of ['zero', 'mean'] as const) {
        const { shape, data } = means.z[layer]!
        const values = { shape, data: kind === 'zero' ? new Float32Array(data.length) : data }
        // [heads, 1] over z [B, positions, heads, d_head]
        const hook = replacing(`blocks.${layer}.attn.hook_z`, oneHot(n_heads, head), [n_heads, 1], values)
        const lossChange: Record<string, number> = {}
        for (const [category, questions] of byCategory)
          lossChange[category] = (await lossOf(questions, hook)) - base.get(category)!
        ablations.push({ layer, head, kind, lossChange })
      }
    }
  }
  return ablations
}

/** What the mean-ablation of the residual stream after one layer at one position changes. */
export interface StepAblation {
  readonly layer: number
  readonly position: number
  /** Nats more per answer token. */
  readonly lossChange: number
  /** The share of wrong answers by digit, A_0 first. */
  readonly errors: readonly number[]
}

/** Mean-ablates each step (a position of the question and answer) in turn, after every layer. */
export async function ablateSteps(
  adder: Adder,
  means: MeanActivations,
  questions: readonly Question[],
  options: WorkOptions = {},
): Promise<StepAblation[]> {
  const base = meanLoss(await scoreAnswers(adder, questions, options))
  const ablations: StepAblation[] = []
  for (const [layer, values] of means.residual.entries()) {
    const [positions] = values.shape as [number, number]
    for (let position = 0; position < positions; position++) {
      // [positions, 1] over the residual stream [B, positions, d_model]
      const hook = replacing(`blocks.${layer}.hook_resid_post`, oneHot(positions, position), [positions, 1], values)
      const scores: AnswerScores = await scoreAnswers(adder, questions, { ...options, hook })
      const errors = digitErrors(scores, adder.config)
      ablations.push({ layer, position, lossChange: meanLoss(scores) - base, errors })
    }
  }
  return ablations
}

/** A hook that puts `values` where `mask` is 1; all masks of one shape share a compiled graph. */
function replacing(hook: string, mask: Float32Array, shape: readonly number[], values: Values): Forward['hook'] {
  return (name: string, x: Tensor) => {
    if (name !== hook) return x
    const chosen = tensor(mask, shape).greater(0)
    return chosen.where(tensor(values.data, values.shape), x)
  }
}

function oneHot(size: number, at: number): Float32Array {
  const mask = new Float32Array(size)
  mask[at] = 1
  return mask
}

/** How cleanly the steps of the last layer divide the work. */
export interface StepSummary {
  /** The largest change of the loss by a step before `=`, in nats. */
  readonly freeStepLossChange: number
  /**
   * Over the steps that predict a digit: the smallest ratio of that digit's error rate to the largest of the others'
   * (taken to be one question at least).
   */
  readonly stepErrorRatio: number
}

/** Summarises the step ablations of the last layer, measured on `questions` questions. */
export function summariseSteps(
  ablations: readonly StepAblation[],
  { config, model }: Pick<Adder, 'config' | 'model'>,
  questions: number,
): StepSummary {
  const last = ablations.filter(({ layer }) => layer === model.config.n_layers - 1)
  const free = last.filter(({ position }) => position < equalsPosition(config))
  const ratios = Array.from({ length: config.digits + 1 }, (_, digit) => {
    const { errors } = last.find(({ position }) => position === predictingPosition(config, digit))!
    const others = Math.max(1 / questions, ...errors.filter((_, other) => other !== digit))
    return errors[digit]! / others
  })
  return {
    freeStepLossChange: Math.max(...free.map(({ lossChange }) => Math.abs(lossChange))),
    stepErrorRatio: Math.min(...ratios),
  }
}
