import { constant, type Tensor } from '../../tensor/index.ts'
import type { Optimiser, Updated } from './optimiser.ts'

/** Numbers of SGD, with PyTorch's meanings and defaults. */
export interface SgdNumbers {
  readonly momentum?: number | undefined
  readonly weightDecay?: number | undefined
}

/**
 * Stochastic gradient descent with (heavy-ball) momentum: u <- momentum * u + gradient; p <- p - lr * u.
 * Weight decay shrinks the parameter itself by lr * decay, as in AdamW; without momentum that is the same as L2.
 */
export function sgd({ momentum = 0, weightDecay = 0 }: SgdNumbers): Optimiser {
  return {
    moments: momentum === 0 ? [] : ['velocity'],
    weightDecay,
    update({ parameter, gradient, moments, learningRate, weightDecay: decay }): Updated {
      const velocity = momentum === 0 ? gradient : (moments[0] as Tensor).mul(constant(momentum)).add(gradient)
      const kept = decay === 0 ? parameter : parameter.mul(constant(1).sub(learningRate.mul(constant(decay))))
      return { parameter: kept.sub(velocity.mul(learningRate)), moments: momentum === 0 ? [] : [velocity] }
    },
  }
}
