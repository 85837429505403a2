import { DiopterError } from '../errors/index.ts'
import { formatShape, isDifferentiable, type Tensor } from '../tensor/index.ts'
import { gradients } from './gradients.ts'

/** A traced function of tensors with a scalar result. */
export type ScalarFunction = (...args: Tensor[]) => Tensor

/** A scalar function's value and its gradients. */
export interface ValueAndGrad<G> {
  readonly value: Tensor
  readonly gradient: G
}

/**
 * The function that gives the gradient of `f` with respect to its argument number `argnums` (0 by default; a list gives a list).
 * That function throws when `f` gives anything but a float scalar, or an argument number does not exist.
 */
export function grad(f: ScalarFunction, argnums?: number): (...args: Tensor[]) => Tensor
export function grad(f: ScalarFunction, argnums: readonly number[]): (...args: Tensor[]) => Tensor[]
export function grad(f: ScalarFunction, argnums: number | readonly number[] = 0) {
  const both = typeof argnums === 'number' ? valueAndGrad(f, argnums) : valueAndGrad(f, argnums)
  return (...args: Tensor[]) => both(...args).gradient
}

/** Like `grad`, with the value of `f` beside the gradient. */
export function valueAndGrad(f: ScalarFunction, argnums?: number): (...args: Tensor[]) => ValueAndGrad<Tensor>
export function valueAndGrad(
  f: ScalarFunction,
  argnums: readonly number[],
): (...args: Tensor[]) => ValueAndGrad<Tensor[]>
export function valueAndGrad(f: ScalarFunction, argnums: number | readonly number[] = 0) {
  return (...args: Tensor[]): ValueAndGrad<Tensor | Tensor[]> => {
    const wrt = [argnums].flat().map((i) => argument(args, i))
    const value = f(...args)
    if (value.rank > 0 || !isDifferentiable(value))
      throw new DiopterError(
        `grad: the function gave ${value.dtype}${formatShape(value.shape)}; it must give a float scalar (use sum or mean, or vjp with a cotangent).`,
      )
    const all = gradients([value], wrt)
    return { value, gradient: typeof argnums === 'number' ? all[0]! : all }
  }
}

/**
 * `f` at `primals`, and its pullback: from one cotangent per output (of its shape and dtype) to one gradient per primal.
 */
export function vjp(
  f: (...args: Tensor[]) => Tensor | readonly Tensor[],
  ...primals: Tensor[]
): { outputs: readonly Tensor[]; pullback: (...cotangents: Tensor[]) => Tensor[] } {
  const outputs = [f(...primals)].flat()
  return { outputs, pullback: (...cotangents) => gradients(outputs, primals, cotangents) }
}

function argument(args: readonly Tensor[], i: number): Tensor {
  const arg = args[i]
  if (arg === undefined) throw new DiopterError(`grad: there is no argument ${i}; ${args.length} were given.`)
  return arg
}
