import { stripBoilerplate } from './boilerplate.ts'
import { type SharedPassage, sharedPassages } from './shared-passages.ts'
import { splitDocument } from './split.ts'

/** A document of a corpus. */
export interface CorpusDocument {
  readonly name: string
  readonly text: string
}

/** A document whose end is held out. */
export interface SplitDocument {
  readonly name: string
  readonly train: string
  /** Empty where the document has no place to cut, or where `dropped` says why. */
  readonly heldOut: string
  /** A passage that the held-out end shares with a training text, for which the end is used for nothing. */
  readonly dropped?: { readonly words: number; readonly sharedWith: string; readonly begins: string }
}

/** How a corpus is split. */
export interface SplitCorpusOptions {
  /** Which part of every document is held out; 0.05 unless said otherwise. */
  readonly heldOutFraction?: number | undefined
  /** From how many words on a shared passage drops the held-out end that has it; 50 unless said otherwise. */
  readonly sharedWords?: number | undefined
}

/**
 * Splits every document into a part to train on and its end, which is held out. A held-out end that shares a long passage, word
 * for word, with any training text is dropped: what is remembered must not count as predicted.
 * @returns the documents in their order.
 */
export function splitCorpus(documents: readonly CorpusDocument[], options: SplitCorpusOptions = {}): SplitDocument[] {
  const { heldOutFraction = 0.05, sharedWords = 50 } = options
  const split = documents.map(({ name, text }) => ({ name, ...splitDocument(stripBoilerplate(text), heldOutFraction) }))
  const longest = new Map<number, SharedPassage>()
  for (const passage of sharedPassages(
    split.map(({ heldOut }) => heldOut),
    split.map(({ train }) => train),
    sharedWords,
  )) {
    if (passage.words > (longest.get(passage.heldOut)?.words ?? 0)) longest.set(passage.heldOut, passage)
  }
  return split.map((document, i) => {
    const passage = longest.get(i)
    if (!passage) return document
    const begins = passage.text.split(' ').slice(0, 10).join(' ')
    return {
      ...document,
      heldOut: '',
      dropped: { words: passage.words, sharedWith: split[passage.train]!.name, begins },
    }
  })
}
