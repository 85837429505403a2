import { type Noise, whiten } from './noise-model.ts'
import { type Shape, type Step, type StepAxis, shapeValues, sharpSteps, smoothShapes } from './shapes.ts'

/** A shape with its values at the points. */
export interface Shown<Of extends Shape = Shape> {
  readonly shape: Of
  readonly values: Float64Array
}

/** Points on either side that a step must leave: fewer cannot tell a level from noise. */
const MARGIN = 4

/** All shapes that are fitted or scanned at some points, shown once for all models of these points. */
export class ShapeGrid {
  readonly steps: Float64Array
  readonly axis: StepAxis
  private readonly smooth: readonly Shown[]
  private readonly sharp: readonly Shown<Step>[]
  private readonly known = new WeakMap<Noise, { smooth: readonly Shown[]; sharp: readonly Shown<Step>[] }>()

  constructor(steps: Float64Array, axis: StepAxis) {
    this.steps = steps
    this.axis = axis
    this.smooth = smoothShapes(steps, axis).map((shape) => this.show(shape))
    this.sharp = sharpSteps(steps, axis, MARGIN).map((shape) => this.show(shape))
  }

  show<Of extends Shape>(shape: Of): Shown<Of> {
    return { shape, values: shapeValues(shape, this.steps, this.axis) }
  }

  /** The grid as seen in whitened values. */
  whitened(noise: Noise): { readonly smooth: readonly Shown[]; readonly sharp: readonly Shown<Step>[] } {
    const known = this.known.get(noise)
    if (known) return known
    const made = {
      smooth: this.smooth.map(({ shape, values }) => ({ shape, values: whiten(values, noise) })),
      sharp: this.sharp.map(({ shape, values }) => ({ shape, values: whiten(values, noise) })),
    }
    this.known.set(noise, made)
    return made
  }
}
