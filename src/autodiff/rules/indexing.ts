import { apply } from '../../tensor/index.ts'
import type { VjpRule } from '../rule.ts'

export const indexingRules = {
  gather(g, y) {
    const [x, indices] = y.inputs
    const axis = y.attributes.axis as number
    return [indices!.scatterAdd(g, x!.shape[axis]!, axis), undefined]
  },
  scatter_add: (g, y) => [undefined, g.gather(y.inputs[0]!, y.attributes.axis as number)],
  gather_elements(g, y) {
    const [x, indices] = y.inputs
    const axis = y.attributes.axis as number
    return [apply('scatter_elements_add', [indices!, g], { axis, size: x!.shape[axis]! }), undefined]
  },
  scatter_elements_add: (g, y) => [undefined, g.gatherElements(y.inputs[0]!, y.attributes.axis as number)],
} satisfies Record<string, VjpRule>
