import type { ModelConfig } from '../../models/config.ts'
import { JOINS, type Join } from '../../models/forward.ts'
import { rotaryTables } from '../../models/parts/rotary.ts'
import { type Tensor, tensor } from '../../tensor/index.ts'
import { type Layout, maskValues, memo } from './layout.ts'

/** A row of the staircase: where it enters, and the first position that it computes for itself. */
export interface StaircaseRow {
  /** Number of the layer's join times 4 plus the join's place in the block; -1 from the embedding on. */
  readonly enters: number
  /** Before this position the row is the base run, and is not computed again. */
  readonly start: number
}

/** A place of entry as one number that grows along the forward pass. */
export function entryOrder(layer: number, at: Join): number {
  return layer * JOINS.length + JOINS.indexOf(at)
}

/** Where each token of the packed list [N] belongs. */
export interface TokenPlaces {
  readonly rows: Int32Array
  readonly positions: Int32Array
}

/**
 * The layout of many edited versions of one run. Row 0 is the base run; every other row enters the batch where it first
 * differs, and brings only the positions from its first edited one on. Tokens are a packed list [N]; attention sees
 * whole rows [R, P], with the base run's keys where a row has none of its own. In the last layer only the queries at
 * `needed` positions go on.
 */
export interface StaircaseLayout extends Layout {
  /** The rows in the order of the batch now: indices into the `rows` given, base run excluded (-1). */
  readonly current: () => readonly number[]
  readonly places: () => TokenPlaces
  /** Positions of the queries that attention now computes. */
  readonly queryPositions: () => readonly number[]
  /** Tokens [N, ...] as rows [R, positions, ...] of those positions. */
  readonly wholeRows: (x: Tensor) => Tensor
}

export function staircaseLayout(
  config: ModelConfig,
  prompt: readonly number[],
  rows: readonly StaircaseRow[],
  needed: readonly number[],
): StaircaseLayout {
  const length = prompt.length
  let present: number[] = [-1, ...indicesWhere(rows, (row) => row.enters < 0)]
  const startOf = (row: number) => (row < 0 ? 0 : rows[row]!.start)
  let queries = Array.from({ length }, (_, p) => p)
  let places = place(present, startOf, queries)

  /** For each token of `to`, the token of `from` that has its value: its own, or the base run's. */
  const follow = (from: TokenPlaces, to: TokenPlaces): BigInt64Array => {
    // [rows + 1, P], the base run first
    const index = new Int32Array((rows.length + 1) * length).fill(-1)
    from.rows.forEach((row, i) => {
      index[(row + 1) * length + from.positions[i]!] = i
    })
    return BigInt64Array.from(to.rows, (row, i) => {
      const position = to.positions[i]!
      const own = index[(row + 1) * length + position]!
      return BigInt(own < 0 ? index[position]! : own)
    })
  }
  const move = (live: readonly Tensor[], to: TokenPlaces): Tensor[] => {
    const index = tensor(follow(places, to), [to.rows.length])
    places = to
    return live.map((x) => x.gather(index, 0))
  }
  const rectangular = () => places.rows.length === present.length * queries.length
  // Both ways between tokens and rows are sought once for as long as the same tokens are there.
  const wholeRows = memo((from: TokenPlaces) =>
    memo((key: string) => {
      const positions = key.split(' ').map(Number)
      return tensor(
        follow(
          from,
          place(present, () => 0, positions),
        ),
        [present.length, positions.length],
      )
    }),
  )
  const ownTokens = memo((to: TokenPlaces) =>
    tensor(
      follow(
        place(present, () => 0, queries),
        to,
      ),
      [to.rows.length],
    ),
  )
  /** [N, ...] -> [R, positions, ...]: what attention sees of every row. */
  const asRows = (x: Tensor, positions: readonly number[]): Tensor => {
    const shape = x.shape.slice(1)
    if (rectangular() && positions.length === queries.length)
      return x.reshape(present.length, positions.length, ...shape)
    return x.gather(wholeRows(places)(positions.join(' ')), 0)
  }
  const rotary = memo((current: TokenPlaces) => {
    const { cos, sin } = rotaryTables(config, current.positions)
    const shape = [current.positions.length, 1, config.rotary_dim / 2]
    return { cos: tensor(cos, shape), sin: tensor(sin, shape) }
  })
  const mask = memo((key: string) => {
    const [window, ...positions] = key.split(' ').map(Number) as [number, ...number[]]
    const sees = (i: number) => {
      const [query, k] = [positions[Math.floor(i / length)]!, i % length]
      return k <= query && (window < 0 || query - k < window)
    }
    return tensor(maskValues(positions.length * length, sees), [1, 1, positions.length, length])
  })
  const ids = BigInt64Array.from(places.positions, (p) => BigInt(prompt[p]!))
  return {
    current: () => present,
    places: () => places,
    queryPositions: () => queries,
    wholeRows: (x) => asRows(x, queries),
    tokens: tensor(ids, [ids.length]),
    positionRows: (table) => table.gather(tensor(places.positions, [places.positions.length]), 0),
    rotary: () => rotary(places),
    join(at, layer, live) {
      const order = entryOrder(layer, at)
      const entering = indicesWhere(rows, (row) => row.enters === order)
      if (entering.length === 0) return [...live]
      present = [...present, ...entering]
      return move(live, place(present, startOf, queries))
    },
    narrow(layer, live) {
      if (layer !== config.n_layers - 1 || needed.length === length) return [...live]
      queries = [...needed]
      return move(live, place(present, startOf, queries))
    },
    keys(_, k, v) {
      const all = Array.from({ length }, (_, p) => p)
      return { k: asRows(k, all), v: asRows(v, all) }
    },
    queries: (q) => asRows(q, queries),
    fromRows(z) {
      const [batch, count, ...shape] = z.shape as [number, number, ...number[]]
      const flat = z.reshape(batch * count, ...shape)
      if (rectangular()) return flat
      return flat.gather(ownTokens(places), 0)
    },
    mask: (layer) => mask([config.attn_windows[layer] ?? -1, ...queries].join(' ')),
  }
}

/** The packed tokens of rows: of each row, the positions from its start on. */
function place(
  present: readonly number[],
  startOf: (row: number) => number,
  positions: readonly number[],
): TokenPlaces {
  const rows: number[] = []
  const kept: number[] = []
  for (const row of present) {
    for (const position of positions) {
      if (position < startOf(row)) continue
      rows.push(row)
      kept.push(position)
    }
  }
  return { rows: Int32Array.from(rows), positions: Int32Array.from(kept) }
}

function indicesWhere<T>(list: readonly T[], holds: (item: T) => boolean): number[] {
  return list.flatMap((item, i) => (holds(item) ? [i] : []))
}
