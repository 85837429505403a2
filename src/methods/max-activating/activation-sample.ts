import type { RandomSource } from '../../random/index.ts'
import type { CorpusSequence } from './activation-corpus.ts'
import type { TargetValues } from './activation-target.ts'

/** A sequence with the target's number at every position. */
export interface ActivatedSequence extends CorpusSequence, TargetValues {
  /** The first position that counts: start tokens do not, nor does the attention of a query that sees one key. */
  readonly from: number
}

/** A position of a sequence. */
export interface Activated {
  readonly sequence: ActivatedSequence
  readonly position: number
  readonly activation: number
}

/** Everything that is kept of a corpus, in bounded memory: the largest, a fair sample, and means by token and by position. */
export class ActivationSample {
  /** Positions that count. */
  tokens = 0
  sequences = 0
  texts = 0
  /** At most one of a sequence, by falling activation; sequences with the same ids count once. */
  readonly top: Activated[] = []
  /** Sequences drawn with equal chances: all of them where there are not more than asked for. */
  readonly sample: ActivatedSequence[] = []
  readonly byToken = new GroupMeans()
  readonly byPosition = new GroupMeans()
  private readonly random: RandomSource
  private readonly most: number
  private readonly sampleSize: number

  constructor(most: number, sampleSize: number, random: RandomSource) {
    this.most = most
    this.sampleSize = sampleSize
    this.random = random
  }

  add(sequence: ActivatedSequence): void {
    this.sequences++
    this.texts = Math.max(this.texts, sequence.text + 1)
    let best = sequence.from
    for (let p = sequence.from; p < sequence.ids.length; p++) {
      const value = sequence.values[p]!
      this.tokens++
      this.byToken.add(sequence.ids[p]!, value)
      this.byPosition.add(p, value)
      if (value > sequence.values[best]!) best = p
    }
    this.offer({ sequence, position: best, activation: sequence.values[best]! })
    // Vitter's algorithm R
    if (this.sample.length < this.sampleSize) this.sample.push(sequence)
    else {
      const place = this.random.integer(this.sequences)
      if (place < this.sampleSize) this.sample[place] = sequence
    }
  }

  private offer(found: Activated): void {
    const { top, most } = this
    if (top.length === most && found.activation <= top.at(-1)!.activation) return
    const key = found.sequence.ids.join()
    if (top.some(({ sequence }) => sequence.ids.join() === key)) return
    const at = top.findIndex(({ activation }) => activation < found.activation)
    top.splice(at < 0 ? top.length : at, 0, found)
    if (top.length > most) top.pop()
  }

  /** The sampled sequences' numbers, without those of start tokens, by rising size. */
  sorted(): Float64Array {
    const all = new Float64Array(this.sample.reduce((sum, { values, from }) => sum + values.length - from, 0))
    let at = 0
    for (const { values, from } of this.sample) {
      all.set(values.subarray(from), at)
      at += values.length - from
    }
    return all.sort()
  }
}

/** Means of numbers by group, and how much of their variance lies between groups. */
export class GroupMeans {
  private readonly groups = new Map<number, { count: number; sum: number }>()
  private count = 0
  private mean = 0
  private squares = 0

  add(group: number, value: number): void {
    const own = this.groups.get(group) ?? { count: 0, sum: 0 }
    own.count++
    own.sum += value
    this.groups.set(group, own)
    // Welford
    this.count++
    const away = value - this.mean
    this.mean += away / this.count
    this.squares += away * (value - this.mean)
  }

  /**
   * The share of variance that the group explains (epsilon squared: less what as many groups explain by chance), 0 to 1; null where
   * nothing varies or every group has one number.
   */
  explained(): number | null {
    const { groups, count, mean, squares } = this
    if (!(squares > 0) || count <= groups.size) return null
    let between = 0
    for (const { count: n, sum } of groups.values()) between += n * (sum / n - mean) ** 2
    const within = (squares - between) / (count - groups.size)
    return Math.min(1, Math.max(0, (between - (groups.size - 1) * within) / squares))
  }
}

/** The value below which a share of the sorted numbers lies (nearest rank). */
export function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))]!
}

/** The share of sorted numbers below a value. */
export function shareBelow(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! < value) low = middle + 1
    else high = middle
  }
  return low / sorted.length
}
