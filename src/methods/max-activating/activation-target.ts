import { DiopterError } from '../../errors/index.ts'
import { matchNames } from '../../lab/hook-names.ts'
import type { Model, PromptArray, Readout } from '../../lab/index.ts'
import { hookPoints } from '../../models/index.ts'
import { type Tensor, tensor } from '../../tensor/index.ts'

/** One number per token: an entry of an activation, its component along a direction, or a head's largest attention. */
export interface ActivationTarget {
  /** The full name of a hook: `blocks.1.mlp.hook_post`. */
  readonly hook: string
  /** Needed where the hook has heads. */
  readonly head?: number | undefined
  /** The entry along the hook's last axis: a neuron's number at `mlp.hook_post`. */
  readonly index?: number | undefined
  /** In place of `index`: the activation's product with this vector, as long as the hook's last axis; taken as it is. */
  readonly direction?: readonly number[] | undefined
}

/** A target that fits a model. */
export interface ResolvedTarget extends ActivationTarget {
  /** The block of the hook; null outside blocks. */
  readonly layer: number | null
  /** How people call it: `L1N5`, `L2H3 of blocks.2.attn.hook_result along a direction`. */
  readonly name: string
  /** Whether the number is the largest attention of a query, to some key. */
  readonly isAttention: boolean
}

/** Checks a target against a model. Throws for hooks, heads and entries that there are not, and for directions of another length. */
export function resolveTarget(model: Model, target: ActivationTarget): ResolvedTarget {
  const [hook, ...more] = matchNames(target.hook, model.hookNames, 'The hook')
  if (more.length > 0)
    throw new DiopterError(`'${target.hook}' means ${more.length + 1} hooks (${hook}, ${more[0]} ...); name one.`)
  const { axes, sizes } = hookPoints(model.config).find(({ name }) => name === hook)!
  const isAttention = axes.includes('key_pos')
  const headAxis = axes.findIndex((axis) => axis === 'n_heads' || axis === 'n_key_value_heads')
  const { head, index, direction } = target
  const heads = headAxis < 0 ? 0 : sizes[headAxis]!
  if (heads === 0 && head !== undefined)
    throw new DiopterError(`${hook} has no heads, so head ${head} cannot be read there; leave it out.`)
  if (heads > 0) requireIndex(head, heads, 'head', hook!)
  const size = sizes.at(-1)
  if (isAttention) {
    if (index !== undefined || direction !== undefined)
      throw new DiopterError(`${hook} holds one number per query and key; it has no entry or direction to choose.`)
  } else if (direction !== undefined) {
    if (index !== undefined) throw new DiopterError('An entry and a direction were given; one of them is read.')
    if (direction.length !== size || !direction.every(Number.isFinite))
      throw new DiopterError(
        `The direction has ${direction.length} numbers; along the last axis of ${hook} it needs ${size}, all finite.`,
      )
  } else requireIndex(index, size!, 'entry (index, or a direction)', hook!)
  const block = /^blocks\.(\d+)\./.exec(hook!)?.[1]
  const resolved = { ...target, hook: hook!, layer: block === undefined ? null : Number(block), isAttention }
  return { ...resolved, name: nameOf(resolved) }
}

function requireIndex(index: number | undefined, size: number, what: string, hook: string): void {
  if (index === undefined)
    throw new DiopterError(`${hook} holds many numbers per token; say which ${what}, 0 to ${size - 1}.`)
  if (!Number.isInteger(index) || index < 0 || index >= size)
    throw new DiopterError(`${hook} has no ${what} ${index}; there are 0 to ${size - 1}.`)
}

function nameOf({ hook, head, index, direction, layer }: Omit<ResolvedTarget, 'name'>): string {
  const place = layer === null ? '' : `L${layer}`
  if (/mlp\.hook_post$/.test(hook) && index !== undefined) return `${place}N${index}`
  const part = head === undefined ? '' : `${place}H${head} of `
  const along = direction ? ' along a direction' : index === undefined ? '' : `, entry ${index}`
  return `${part}${hook}${along}`
}

/** Computes the target at every position, `values` [n, P], and of attention which `keys` [n, P] it is to. */
export function targetReadout({ hook, head, index, direction, isAttention }: ResolvedTarget): Readout {
  return {
    reads: hook,
    trace({ activation }): Record<string, Tensor> {
      const whole = activation(hook)
      if (isAttention) {
        const scores = whole.slice(1, head!, head! + 1).squeeze(1) // [n, Q, K]
        return { values: scores.max(-1), keys: scores.argmax(-1).cast('float32') }
      }
      // [n, P, H, f] or [n, P, f] -> [n, P, f]
      const own = head === undefined ? whole : whole.slice(2, head, head + 1).squeeze(2)
      if (direction)
        return { values: own.matmul(tensor(Float32Array.from(direction), [direction.length, 1])).squeeze(2) }
      return { values: own.slice(2, index!, index! + 1).squeeze(2) }
    },
  }
}

/** One sequence's numbers. */
export interface TargetValues {
  /** Per position. */
  readonly values: Float32Array
  /** Of attention: the position that is attended to most; null for other targets. */
  readonly keys: Float32Array | null
}

/** What `targetReadout` computed of one sequence. */
export function readTarget(readout: Readonly<Record<string, readonly PromptArray[]>>, row: number): TargetValues {
  return {
    values: readout.values![row]!.data as Float32Array,
    keys: (readout.keys?.[row]?.data as Float32Array | undefined) ?? null,
  }
}
