import { throwIfAborted, type WorkOptions } from '../../errors/index.ts'
import { type Check, notTested } from './checks.ts'
import type { MethodOptions } from './options.ts'
import type { MethodResult } from './result.ts'

/** How items are done, and what becomes of them on the way. */
export interface ItemWork<Item, Result> {
  /** Does one item. What it has of it on the way goes to `onPart`, where that is wanted. */
  readonly work: (item: Item, index: number, onPart: ((part: Result) => void) | undefined) => Promise<Result>
  /** Whether an item is done in whole, which it is unless said. */
  readonly isWhole?: (result: Result) => boolean
  /** Gets what would be kept now, whenever there is more of it than before; not what is returned in the end. */
  readonly onPartial?: ((results: readonly Result[]) => void) | undefined
}

/**
 * Does the items one after the other. When the work is cancelled, what was done until then is kept and `complete` is false:
 * all whole items or, where there is none, the one that `isWhole` finds to be done in part, so that means over items stay means.
 * Throws the abort when nothing was done, and any other error at once.
 */
export async function keepDone<Item, Result>(
  items: readonly Item[],
  unit: string,
  { signal, onProgress }: WorkOptions,
  { work, isWhole = () => true, onPartial }: ItemWork<Item, Result>,
): Promise<{ readonly results: Result[]; readonly complete: boolean }> {
  const results: Result[] = []
  const started = performance.now()
  for (const [index, item] of items.entries()) {
    let result: Result
    try {
      throwIfAborted(signal)
      // Beside whole items a part of another one would not be kept.
      result = await work(item, index, index === 0 && onPartial ? (part) => onPartial([part]) : undefined)
    } catch (error) {
      if (!signal?.aborted || results.length === 0) throw error
      return { results, complete: false }
    }
    if (!isWhole(result)) return { results: results.length === 0 ? [result] : results, complete: false }
    results.push(result)
    const done = index + 1
    const etaSeconds = ((performance.now() - started) / 1000 / done) * (items.length - done)
    if (items.length > 1) onProgress?.({ phase: `running ${unit}`, done, total: items.length, unit, etaSeconds })
    if (done < items.length) onPartial?.([...results])
  }
  return { results, complete: true }
}

/** What a method says of its values beside them. */
export type Standing = Pick<MethodResult<object>, 'checks' | 'complete'>

/** `onPartial` of items: what the method makes of them, given to who follows the method; undefined where nobody does. */
export function partialResults<Result>(
  { onPartial }: MethodOptions,
  assemble: (results: readonly Result[], standing: Standing) => MethodResult<object>,
): ((results: readonly Result[]) => void) | undefined {
  return onPartial && ((results) => onPartial(assemble(results, { checks: RUNNING_CHECKS, complete: false })))
}

/** What `work` gives, or null when it was cancelled; throws any other error. */
export async function unlessCancelled<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T | null> {
  try {
    return await work()
  } catch (error) {
    if (!signal?.aborted) throw error
    return null
  }
}

/** What stands for checks that run the model, when the work was cancelled before them. */
export const CANCELLED_CHECKS: readonly Check[] = [
  notTested(
    { name: 'checks that run the model', claimed: 'they hold as in a complete run' },
    'the work was cancelled before they were made',
  ),
]

/** What stands for the checks of a result that is given on the way. */
const RUNNING_CHECKS: readonly Check[] = [
  notTested({ name: 'all checks', claimed: 'they hold for the finished result' }, 'the work is still running'),
]
