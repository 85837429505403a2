import { type Tensor, tensor } from '../tensor/index.ts'
import type { ModelConfig } from './config.ts'
import type { Forward } from './forward.ts'
import { rotaryTables } from './parts/rotary.ts'

/** What a plain run needs to be given. */
export interface RectangularRun extends Pick<Forward, 'weight' | 'hasWeight'> {
  readonly config: ModelConfig
  /** Token ids, int64 [B, P]. */
  readonly tokens: Tensor
  /** Sees (and may change) every activation; by default nothing does. */
  readonly hook?: Forward['hook']
  /** Whether costly hooks are traced; by default none is. */
  readonly wants?: Forward['wants']
}

/** The plain forward pass: whole prompts of one length [B, P], no padding, no cache. */
export function rectangularForward(run: RectangularRun): Forward {
  const { config, tokens } = run
  const positions = tokens.shape[1]!
  let tables: { cos: Tensor; sin: Tensor } | undefined
  const masks = new Map<number | null, Tensor>()
  return {
    config,
    tokens,
    weight: run.weight,
    hasWeight: run.hasWeight,
    hook: run.hook ?? ((_, x) => x),
    wants: run.wants ?? (() => false),
    // [n_ctx, d] -> [P, d], broadcast over the batch when it is added
    positionRows: (table) =>
      table.slice(0, 0, positions).unsqueeze(0).broadcast(tokens.shape[0]!, positions, config.d_model),
    rotary() {
      tables ??= rotaryTensors(config, positions)
      return tables
    },
    join: (_at, _layer, live) => [...live],
    narrow: (_layer, live) => [...live],
    keys: (_layer, k, v) => ({ k, v }),
    queries: (q) => q,
    fromRows: (z) => z,
    mask(layer) {
      const window = config.attn_windows[layer]!
      const mask = masks.get(window) ?? causalMask(positions, window)
      masks.set(window, mask)
      return mask
    },
  }
}

/** Tables [P, 1, rotary_dim / 2] for positions 0 .. P-1. */
function rotaryTensors(config: ModelConfig, positions: number): { cos: Tensor; sin: Tensor } {
  const { cos, sin } = rotaryTables(
    config,
    Int32Array.from({ length: positions }, (_, i) => i),
  )
  const shape = [positions, 1, config.rotary_dim / 2]
  return { cos: tensor(cos, shape), sin: tensor(sin, shape) }
}

/** [1, 1, P, P]: 0 where query q sees key k (no later, and less than `window` back), else -inf. */
function causalMask(positions: number, window: number | null): Tensor {
  const mask = new Float32Array(positions * positions).fill(Number.NEGATIVE_INFINITY)
  for (let q = 0; q < positions; q++) {
    mask.fill(0, q * positions + Math.max(0, q + 1 - (window ?? positions)), q * positions + q + 1)
  }
  return tensor(mask, [1, 1, positions, positions])
}
