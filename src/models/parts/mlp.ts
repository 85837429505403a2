import { DiopterError } from '../../errors/index.ts'
import type { Tensor } from '../../tensor/index.ts'
import type { ModelConfig } from '../config.ts'
import type { Forward } from '../forward.ts'
import { addBias, contract } from './contract.ts'

/** The neurons' activations [...tokens, d_mlp] of x [...tokens, d], before `mlp.hook_post`. */
export function neurons(forward: Forward, layer: number, x: Tensor): Tensor {
  const { config } = forward
  const name = (suffix: string) => `blocks.${layer}.mlp.${suffix}`
  const apply = (weight: string, bias: string) =>
    addBias(forward, contract(x, 'd', forward.weight(name(weight)), 'dm', 'm'), name(bias))
  if (!config.gated_mlp) return activation(config.act_fn, forward.hook(name('hook_pre'), apply('W_in', 'b_in')))
  const gate = activation(config.act_fn, forward.hook(name('hook_pre'), apply('W_gate', 'b_gate')))
  const linear = forward.hook(name('hook_pre_linear'), apply('W_in', 'b_pre_linear'))
  // In a gated MLP TransformerLens adds b_in to the product, not to the linear half.
  return addBias(forward, gate.mul(linear), name('b_in'))
}

/** What the MLP writes, [...tokens, d], from its neurons' activations. */
export function mlpOut(forward: Forward, layer: number, post: Tensor): Tensor {
  const product = contract(post, 'm', forward.weight(`blocks.${layer}.mlp.W_out`), 'md', 'd')
  return addBias(forward, product, `blocks.${layer}.mlp.b_out`)
}

function activation(name: ModelConfig['act_fn'], x: Tensor): Tensor {
  switch (name) {
    case 'relu':
      return x.relu()
    case 'gelu':
      return x.gelu()
    case 'gelu_new':
      return x.gelu('tanh')
    case 'silu':
      return x.silu()
    case null:
      throw new DiopterError('This model has MLPs but its config names no activation function (act_fn).')
  }
}
