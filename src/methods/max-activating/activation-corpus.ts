import type { Model, Prompt } from '../../lab/index.ts'

/** A text of a corpus, or its token ids. */
export interface CorpusText {
  /** What people know it by: a file's name. */
  readonly name: string
  readonly text: Prompt
}

/** Texts one after the other; they may be read as they are needed. */
export type Corpus = Iterable<CorpusText> | AsyncIterable<CorpusText>

/** A piece of a text that is run at once. */
export interface CorpusSequence {
  /** The number of its text, from 0, and its name. */
  readonly text: number
  readonly name: string
  readonly ids: readonly number[]
  /** 1 behind a start token, which is no text; else 0. */
  readonly start: 0 | 1
}

/** Characters that are tokenized at once: a long text is cut at a line's end, or else at a space, near this many. */
const PIECE = 20_000

/**
 * Cuts texts into sequences of `length` tokens, each behind the start token where the model has one; what is left over at the end of
 * a text is dropped, but a short text is a sequence of its own. Token ids are taken as they are.
 */
export async function* corpusSequences(
  model: Model,
  corpus: Corpus,
  length: number,
  prependBos: boolean | undefined,
): AsyncGenerator<CorpusSequence> {
  let number = 0
  for await (const { name, text } of corpus) {
    const own = { text: number++, name }
    let [startIds, waiting, cut]: [number[], number[], boolean] = [[], [], false]
    for (const piece of typeof text === 'string' ? pieces(text) : [text]) {
      const { ids } = model.tokenize(piece, prependBos)
      startIds = ids[0] !== undefined && ids[0] === model.tokenizer?.bosId ? [ids[0]] : []
      waiting.push(...ids.slice(startIds.length))
      const size = length - startIds.length
      for (; waiting.length >= size; waiting = waiting.slice(size)) {
        cut = true
        yield { ...own, ids: [...startIds, ...waiting.slice(0, size)], start: startIds.length as 0 | 1 }
      }
    }
    if (!cut && waiting.length > 0) yield { ...own, ids: [...startIds, ...waiting], start: startIds.length as 0 | 1 }
  }
}

function* pieces(text: string): Generator<string> {
  for (let from = 0; from < text.length; ) {
    const limit = Math.min(text.length, from + PIECE)
    const line = text.lastIndexOf('\n', limit - 1) + 1
    const space = text.lastIndexOf(' ', limit - 1)
    const to = limit === text.length ? limit : line > from ? line : space > from ? space : limit
    yield text.slice(from, to)
    from = to
  }
}

/** Sequences of one length in batches of about `tokens` tokens, in the order in which batches become full. */
export async function* batches(
  sequences: AsyncIterable<CorpusSequence>,
  tokens: number,
): AsyncGenerator<readonly CorpusSequence[]> {
  const waiting = new Map<number, CorpusSequence[]>()
  for await (const sequence of sequences) {
    const { length } = sequence.ids
    const list = waiting.get(length) ?? []
    list.push(sequence)
    waiting.set(length, list)
    if (list.length * length < tokens) continue
    waiting.delete(length)
    yield list
  }
  yield* waiting.values()
}
