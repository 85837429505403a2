import { throwIfAborted, type WorkOptions } from '../errors/index.ts'

/**
 * Does the items one after the other. When the work is cancelled, what was done until then is kept: `complete` is false.
 * Throws the abort when nothing was done, and any other error at once.
 */
export async function keepDone<Item, Result>(
  items: readonly Item[],
  unit: string,
  { signal, onProgress }: WorkOptions,
  work: (item: Item, index: number) => Promise<Result>,
): Promise<{ readonly results: Result[]; readonly complete: boolean }> {
  const results: Result[] = []
  const started = performance.now()
  for (const [index, item] of items.entries()) {
    try {
      throwIfAborted(signal)
      results.push(await work(item, index))
    } catch (error) {
      if (!signal?.aborted || results.length === 0) throw error
      return { results, complete: false }
    }
    const done = index + 1
    const etaSeconds = ((performance.now() - started) / 1000 / done) * (items.length - done)
    if (items.length > 1) onProgress?.({ phase: `running ${unit}`, done, total: items.length, unit, etaSeconds })
  }
  return { results, complete: true }
}
