import { constant, type Tensor } from '../../tensor/index.ts'
import type { Optimiser, Update, Updated } from './optimiser.ts'

/** Numbers of Adam and AdamW, with PyTorch's meanings and defaults. */
export interface AdamNumbers {
  readonly betas?: readonly [number, number] | undefined
  readonly epsilon?: number | undefined
  readonly weightDecay?: number | undefined
}

/**
 * Adam (Kingma & Ba 2015): m and v are running means of the gradient and its square, corrected for their start at zero;
 * p <- p - lr * m / (sqrt(v) + epsilon). Weight decay is added to the gradient.
 */
export function adam(numbers: AdamNumbers): Optimiser {
  return adamWith(numbers, (update) => {
    const { parameter, gradient, weightDecay } = update
    const decayed = weightDecay === 0 ? gradient : gradient.add(parameter.mul(constant(weightDecay)))
    return { parameter, gradient: decayed }
  })
}

/** AdamW (Loshchilov & Hutter 2019): Adam whose weight decay shrinks the parameter itself, apart from the gradient. */
export function adamw(numbers: AdamNumbers): Optimiser {
  return adamWith(numbers, ({ parameter, gradient, weightDecay, learningRate }) => {
    if (weightDecay === 0) return { parameter, gradient }
    return { parameter: parameter.mul(constant(1).sub(learningRate.mul(constant(weightDecay)))), gradient }
  })
}

function adamWith(
  { betas: [beta1, beta2] = [0.9, 0.999], epsilon = 1e-8, weightDecay = 0 }: AdamNumbers,
  decay: (update: Update) => { parameter: Tensor; gradient: Tensor },
): Optimiser {
  return {
    moments: ['first', 'second'],
    weightDecay,
    update(update): Updated {
      const { learningRate, step } = update
      const [first, second] = update.moments as [Tensor, Tensor]
      const { parameter, gradient } = decay(update)
      const m = mixed(first, gradient, beta1)
      const v = mixed(second, gradient.square(), beta2)
      // Both corrections are scalars: they cost nothing beside the parameter's own arithmetic.
      const rate = learningRate.div(startCorrection(step, beta1))
      const spread = v.sqrt().mul(constant(1).div(startCorrection(step, beta2).sqrt()))
      return { parameter: parameter.sub(m.div(spread.add(constant(epsilon))).mul(rate)), moments: [m, v] }
    },
  }
}

/** beta * old + (1 - beta) * value. */
function mixed(old: Tensor, value: Tensor, beta: number): Tensor {
  return old.mul(constant(beta)).add(value.mul(constant(1 - beta)))
}

/** 1 - beta^step in float64: near step 1 the float32 difference would lose five digits. */
function startCorrection(step: Tensor, beta: number): Tensor {
  return constant(1, 'float64')
    .sub(step.mul(constant(Math.log(beta), 'float64')).exp())
    .cast('float32')
}
