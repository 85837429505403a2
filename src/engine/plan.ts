import { optimise, structuralHash } from '../onnx/index.ts'
import { sizeOf, type Tensor, type TensorType, type TypedArray, topologicalOrder } from '../tensor/index.ts'

/** What running an optimised graph needs to know of it, without holding it. */
export interface Plan {
  /** The structural hash of the optimised graph. */
  readonly hash: string
  /** The inputs of the optimised graph in canonical order, as places among the traced inputs. */
  readonly inputs: readonly number[]
  /** What is computed for each output; the traced output may have another shape of the same elements. */
  readonly outputs: readonly TensorType[]
  /** The most rows that any product with a matrix (of more than one column) has: how large the batch of this graph is. */
  readonly rows: number
}

/** A traced graph on its way to a session. */
export interface PlannedGraph {
  readonly plan: Plan
  /** The traced inputs; `plan.inputs` are places in this list. */
  readonly inputs: readonly Tensor[]
  /** The optimised outputs, made when a session has to be created. */
  readonly optimised: () => readonly Tensor[]
}

const MOST_PLANS = 512

/**
 * Remembers what the passes made of a graph by the structure of its trace, so that tracing the same run again (other
 * tokens, other values) costs a hash instead of all passes.
 */
export class Planner {
  /** In order of last use. */
  private readonly plans = new Map<string, Plan>()

  plan(outputs: readonly Tensor[], passes: boolean): PlannedGraph {
    const inputs = topologicalOrder(outputs).filter((t) => t.op === 'input')
    let graph: readonly Tensor[] | undefined
    const optimised = () => {
      graph ??= passes ? optimise(outputs).map(computed) : outputs
      return graph
    }
    const key = `${structuralHash(outputs)} ${sharedArrays(inputs)}${passes ? '' : ' unoptimised'}`
    const plan = this.plans.get(key) ?? makePlan(optimised(), inputs, passes)
    this.plans.delete(key)
    this.plans.set(key, plan)
    for (const oldest of this.plans.keys()) {
      if (this.plans.size <= MOST_PLANS) break
      this.plans.delete(oldest)
    }
    return { plan, inputs, optimised }
  }
}

function makePlan(graph: readonly Tensor[], traced: readonly Tensor[], passes: boolean): Plan {
  const place = new Map(traced.map((t, i) => [t, i]))
  const order = topologicalOrder(graph)
  let rows = 0
  for (const t of order) {
    if (t.op === 'matmul' && t.inputs[1]!.rank === 2 && t.shape.at(-1)! > 1)
      rows = Math.max(rows, sizeOf(t.shape) / t.shape[t.rank - 1]!)
  }
  return {
    hash: `${structuralHash(graph)}${passes ? '' : ' unoptimised'}`,
    inputs: order.filter((t) => t.op === 'input').map((t) => place.get(t)!),
    outputs: graph.map(({ dtype, shape }) => ({ dtype, shape })),
    rows,
  }
}

/** What is computed for an output: of a reshape its input, because the same elements under another shape cost a copy. */
function computed(output: Tensor): Tensor {
  return output.op === 'reshape' ? computed(output.inputs[0]!) : output
}

/** Which lifted constants share an array: the passes make one of them. */
function sharedArrays(inputs: readonly Tensor[]): string {
  const numbers = new Map<TypedArray, number>()
  return inputs
    .map(({ value }) => {
      if (value === undefined) return '-'
      const number = numbers.get(value) ?? numbers.size
      numbers.set(value, number)
      return number
    })
    .join()
}
