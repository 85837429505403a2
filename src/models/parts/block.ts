import type { Tensor } from '../../tensor/index.ts'
import type { Forward, Join } from '../forward.ts'
import { attend, attentionOut, keysAndValues } from './attention.ts'
import type { Stream } from './embed.ts'
import { mlpOut, neurons } from './mlp.ts'
import { norm } from './norm.ts'

type Live = Readonly<Record<string, Tensor | undefined>>

/**
 * One transformer block. Between its steps every tensor that is still needed passes through `forward.join` (variants
 * may enter) and `forward.narrow` (unneeded tokens may leave); all four joins happen in every block of every family.
 */
export function traceBlock(forward: Forward, layer: number, stream: Stream): Stream {
  const { config } = forward
  const name = (suffix: string) => `blocks.${layer}.${suffix}`
  const join = <T extends Live>(at: Join, live: T): T => carry(live, (tensors) => forward.join(at, layer, tensors))

  const start = join('block', { ...stream })
  const residPre = forward.hook(name('hook_resid_pre'), start.resid)
  const normed = norm(forward, name('ln1'), residPre)
  const attnInput = start.positions ? normed.add(start.positions) : normed
  const rows = keysAndValues(forward, layer, attnInput, normed)
  const narrowed = carry({ attnInput, resid: residPre, positions: start.positions }, (tensors) =>
    forward.narrow(layer, tensors),
  )
  const attended = join('z', {
    z: attend(forward, layer, narrowed.attnInput, rows),
    resid: narrowed.resid,
    normed: config.shared_norm ? narrowed.attnInput : undefined,
    positions: narrowed.positions,
  })
  const z = forward.hook(name('attn.hook_z'), attended.z)
  const written = attentionOut(forward, layer, z)
  const attnOut = forward.hook(
    name('hook_attn_out'),
    config.post_norms ? norm(forward, name('ln1_post'), written) : written,
  )
  const sum = attended.resid.add(attnOut)
  if (config.attn_only) {
    const end = join('post', join('mlp', { resid: sum, positions: attended.positions }))
    return { ...end, resid: forward.hook(name('hook_resid_post'), end.resid) }
  }

  const { parallel_attn_mlp: parallel, shared_norm: shared } = config
  const middle = join('mlp', {
    sum: parallel ? sum : forward.hook(name('hook_resid_mid'), sum),
    // The MLP of a parallel block reads the same residual stream as attention, through its own norm or attention's.
    resid: parallel && !shared ? attended.resid : undefined,
    normed: attended.normed,
    positions: attended.positions,
  })
  const mlpInput = middle.normed ?? norm(forward, name('ln2'), middle.resid ?? middle.sum)
  const late = join('post', {
    post: neurons(forward, layer, mlpInput),
    sum: middle.sum,
    positions: middle.positions,
  })
  const writtenByMlp = mlpOut(forward, layer, forward.hook(name('mlp.hook_post'), late.post))
  const mlp = forward.hook(
    name('hook_mlp_out'),
    config.post_norms ? norm(forward, name('ln2_post'), writtenByMlp) : writtenByMlp,
  )
  return { resid: forward.hook(name('hook_resid_post'), late.sum.add(mlp)), positions: late.positions }
}

/** Moves the tensors of a record together, keeping their names. */
function carry<T extends Live>(live: T, move: (tensors: readonly Tensor[]) => Tensor[]): T {
  const present = Object.entries(live).filter((entry): entry is [string, Tensor] => entry[1] !== undefined)
  const moved = move(present.map(([, tensor]) => tensor))
  return { ...live, ...Object.fromEntries(present.map(([key], i) => [key, moved[i]])) }
}
