import { DiopterError } from '../../errors/index.ts'
import type { Model } from '../../lab/index.ts'
import type { SenderRow } from '../edge-attribution/edge-inputs.ts'
import {
  allSenders,
  type Receiver,
  reaches,
  receiversNamed,
  type Sender,
  sendersNamed,
} from '../edge-attribution/edge-parts.ts'
import type { PreparedPair } from '../patching/prompt-pair.ts'
import { indicesWithin } from '../shared/selection.ts'

/** Which edges are patched. */
export interface EdgeOptions {
  /** `all` (the default), `embed`, `heads`, `mlps`, or single ones such as `L0H1` and `L0MLP`. */
  readonly senders?: readonly string[] | undefined
  /**
   * `logits` unless said; `all`, `heads` (queries, keys and values), `q`, `k`, `v`, `mlps`, or single ones such as `L1H0`, `L1H0.q`
   * and `L1MLP`.
   */
  readonly receivers?: readonly string[] | undefined
  /** Parts that may move between sender and receiver, named as senders are; none unless said: the direct edge alone. */
  readonly mediators?: readonly string[] | undefined
  /** Whether all receivers are patched at once, as one column; false unless said. */
  readonly together?: boolean | undefined
  /** Positions at which senders pass something on; all unless said. Negative ones count from the end. */
  readonly positions?: readonly number[] | undefined
  /** Whether every position of a sender is a row of its own; false unless said. */
  readonly byPosition?: boolean | undefined
}

/** A row of the result. */
export interface PlannedRow extends SenderRow {
  readonly sender: Sender
  /** Of rows by position. */
  readonly position: number | null
}

/** A column of the result: one receiver, or all of them. */
export interface Column {
  readonly name: string
  readonly receivers: readonly Receiver[]
}

/** All edges, as rows by columns, for a target prompt. */
export interface EdgePlan {
  readonly rows: readonly PlannedRow[]
  readonly columns: readonly Column[]
  readonly receivers: readonly Receiver[]
  readonly mediators: readonly Sender[]
  /** Whether the rows are everything that reaches receivers, so that they should make up the receivers' whole input. */
  readonly isEverything: boolean
}

/** The edges of a prompt of `length` tokens. Throws for names and positions that there are not, and where no sender reaches any receiver. */
export function edgePlan({ config }: Model, length: number, options: EdgeOptions): EdgePlan {
  const { senders: asked = ['all'], receivers: wanted = ['logits'], mediators: moving = [], together = false } = options
  const senders = sendersNamed(config, asked)
  const receivers = receiversNamed(config, wanted)
  const mediators = moving.length === 0 ? [] : sendersNamed(config, moving)
  if (mediators.some(({ kind }) => kind === 'embed'))
    throw new DiopterError(
      'The embedding computes nothing from other parts, so it mediates nothing; name heads or MLPs.',
    )
  if (together && receivers.length > 1 && receivers.some(({ name }) => name === 'logits'))
    throw new DiopterError(
      "The logits cannot be patched together with other receivers: they also see what those do with their input. Leave 'logits' out, or patch the receivers one by one.",
    )
  if (!senders.some((sender) => receivers.some((receiver) => reaches(sender, receiver))))
    throw new DiopterError(
      `None of the senders (${asked.join(', ')}) writes before any of the receivers (${wanted.join(', ')}) reads.`,
    )
  const positions = options.positions && indicesWithin(options.positions, length, 'Position')
  const every = positions ?? Array.from({ length }, (_, p) => p)
  return {
    rows: senders.flatMap((sender): PlannedRow[] =>
      options.byPosition
        ? every.map((position) => ({ sender, senders: [sender], position, positions: [position] }))
        : [{ sender, senders: [sender], position: null, positions }],
    ),
    columns: together
      ? [{ name: receivers.map(({ name }) => name).join(' + '), receivers }]
      : receivers.map((receiver) => ({ name: receiver.name, receivers: [receiver] })),
    receivers,
    mediators,
    isEverything: senders.length === allSenders(config).length && positions === undefined && mediators.length === 0,
  }
}

/** Throws unless the pairs have the same rows, as means over pairs need. */
export function comparableEdges(pairs: readonly PreparedPair[], { byPosition, positions }: EdgeOptions): void {
  if (!byPosition || positions !== undefined) return
  const lengths = [...new Set(pairs.flatMap(({ clean, corrupt }) => [clean.ids.length, corrupt.ids.length]))]
  if (lengths.length > 1)
    throw new DiopterError(
      `By position, pairs and directions are compared position by position, but the prompts have ${lengths.join(', ')} tokens. Use prompts of one length, or name positions that all of them have (such as -1).`,
    )
}
