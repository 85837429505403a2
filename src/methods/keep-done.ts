import { throwIfAborted, type WorkOptions } from '../errors/index.ts'
import { type Check, notTested } from './checks.ts'

/**
 * Does the items one after the other. When the work is cancelled, what was done until then is kept and `complete` is false:
 * all whole items or, where there is none, the one that `isWhole` finds to be done in part, so that means over items stay means.
 * Throws the abort when nothing was done, and any other error at once.
 */
export async function keepDone<Item, Result>(
  items: readonly Item[],
  unit: string,
  { signal, onProgress }: WorkOptions,
  work: (item: Item, index: number) => Promise<Result>,
  isWhole: (result: Result) => boolean = () => true,
): Promise<{ readonly results: Result[]; readonly complete: boolean }> {
  const results: Result[] = []
  const started = performance.now()
  for (const [index, item] of items.entries()) {
    let result: Result
    try {
      throwIfAborted(signal)
      result = await work(item, index)
    } catch (error) {
      if (!signal?.aborted || results.length === 0) throw error
      return { results, complete: false }
    }
    if (!isWhole(result)) return { results: results.length === 0 ? [result] : results, complete: false }
    results.push(result)
    const done = index + 1
    const etaSeconds = ((performance.now() - started) / 1000 / done) * (items.length - done)
    if (items.length > 1) onProgress?.({ phase: `running ${unit}`, done, total: items.length, unit, etaSeconds })
  }
  return { results, complete: true }
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
