/** A passage of a held-out text that a training text has as well, word for word. */
export interface SharedPassage {
  /** Indices into the two lists of texts. */
  readonly heldOut: number
  readonly train: number
  /** Length in words. */
  readonly words: number
  /** The passage's words, lower case, without punctuation. */
  readonly text: string
}

/**
 * Finds what held-out texts share with training texts: the maximal runs of at least `length` words that stand in both. Case,
 * punctuation and line breaks are not compared. Such a passage would be remembered rather than predicted, and make a
 * held-out loss too low.
 * @param length in words: 50 finds copies of a text, 13 also finds quotations and formulas.
 */
export function sharedPassages(heldOut: readonly string[], train: readonly string[], length: number): SharedPassage[] {
  const number = new Map<string, number>()
  const numbered = (text: string): Uint32Array =>
    Uint32Array.from(words(text), (word) => {
      const known = number.get(word) ?? number.size
      number.set(word, known)
      return known
    })
  const held = heldOut.map(numbered)
  const starts = new Map<number, { text: number; at: number }[]>()
  for (const [text, ids] of held.entries()) {
    forEachHash(ids, length, (hash, at) => {
      const list = starts.get(hash)
      if (list) list.push({ text, at })
      else starts.set(hash, [{ text, at }])
    })
  }
  const spelled = heldOut.map(words)
  const passages: SharedPassage[] = []
  for (const [trainText, text] of train.entries()) {
    const ids = numbered(text)
    forEachHash(ids, length, (hash, at) => {
      for (const start of starts.get(hash) ?? []) {
        const other = held[start.text]!
        // Runs are reported once, from their first word.
        if (at > 0 && start.at > 0 && ids[at - 1] === other[start.at - 1]) continue
        const run = commonRun(ids, at, other, start.at)
        if (run < length) continue
        const passage = spelled[start.text]!.slice(start.at, start.at + run).join(' ')
        passages.push({ heldOut: start.text, train: trainText, words: run, text: passage })
      }
    })
  }
  return passages
}

function words(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
}

function commonRun(a: Uint32Array, i: number, b: Uint32Array, j: number): number {
  let run = 0
  while (i + run < a.length && j + run < b.length && a[i + run] === b[j + run]) run++
  return run
}

/** Calls back with a hash of every run of `length` numbers; equal runs have equal hashes (Karp and Rabin 1987, modulo 2^32). */
function forEachHash(ids: Uint32Array, length: number, visit: (hash: number, at: number) => void): void {
  const base = 0x9e3779b1
  let highest = 1
  for (let i = 0; i < length; i++) highest = Math.imul(highest, base)
  let hash = 0
  for (let i = 0; i < ids.length; i++) {
    hash = (Math.imul(hash, base) + scramble(ids[i]!)) | 0
    if (i >= length) hash = (hash - Math.imul(highest, scramble(ids[i - length]!))) | 0
    if (i >= length - 1) visit(hash, i - length + 1)
  }
}

/** Spreads small numbers over 32 bits. */
function scramble(id: number): number {
  const mixed = Math.imul(id + 1, 0x85ebca6b)
  return mixed ^ (mixed >>> 15)
}
