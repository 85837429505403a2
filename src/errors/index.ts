/** Every error that Diopter throws on purpose: the message says what was asked, what exists and what to do. */
export class DiopterError extends Error {
  override name = 'DiopterError'
}

/** The `count` candidates closest to `asked` by edit distance, for "did you mean" lines. */
export function nearMatches(asked: string, candidates: Iterable<string>, count = 5): string[] {
  return [...new Set(candidates)]
    .map((candidate) => ({ candidate, distance: editDistance(asked, candidate) }))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, count)
    .map(({ candidate }) => candidate)
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      current.push(Math.min(previous[j]! + 1, current[j - 1]! + 1, substitution))
    }
    previous = current
  }
  return previous[b.length]!
}

/** Throws the signal's reason when it is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw signal.reason instanceof Error ? signal.reason : new DiopterError('The work was cancelled.')
}

/** What long work reports: `done` of `total` units, with an optional sentence and the remaining seconds when known. */
export interface Progress {
  readonly phase: string
  readonly done: number
  readonly total: number
  readonly unit?: string
  readonly etaSeconds?: number
  /** What else is worth seeing, for example the loss. */
  readonly detail?: string
}

/** The two options that every long piece of work takes. */
export interface WorkOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: Progress) => void) | undefined
}
