import { bothDirections, singleTokenItems, type TemplatedTask } from './prompt-pairs.ts'

/** What was said; the first word opens a quotation, or follows a conjunction in small letters. */
const sentences = [
  ['It', ' it', ' is very late'],
  ['It', ' it', ' was all in vain'],
  ['He', ' he', ' is not here'],
  ['He', ' he', ' must go home'],
  ['She', ' she', ' was not there'],
  ['She', ' she', ' will come again'],
  ['They', ' they', ' are all gone'],
  ['You', ' you', ' must not do it'],
  ['You', ' you', ' are very good'],
  ['We', ' we', ' must go away'],
  ['We', ' we', ' shall see him again'],
  ['This', ' this', ' is very well'],
  ['That', ' that', ' is the truth'],
  ['There', ' there', ' is no hope'],
] as const

/** The signs that end a sentence, with and without the end of a quotation. */
const ends = [
  [',"', ','],
  ['."', '.'],
  ['!"', '!'],
] as const

const conjunctions = ['But', 'And', 'For', 'Yet']
const before = ['She turned to him.', 'There was a long silence.', 'The old man looked up.']

/** `"It is very late` -> `,"`, but `But it is very late` -> `,`: whether a quotation is open is some words back. */
export const quotation: TemplatedTask = {
  name: 'quotation',
  description:
    'A quotation that was opened is closed with the sentence (`"It is very late` -> `,"`, `But it is very late` -> `,`).',
  pairs: (tokenizer) => {
    const signs = singleTokenItems(tokenizer, ends, 1)
    const spoken = sentences.filter(
      ([capital, small]) => singleTokenItems(tokenizer, [[capital, small, '"']], 0).length > 0,
    )
    const openings = singleTokenItems(
      tokenizer,
      conjunctions.map((word) => [word] as const),
      1,
    ).flat()
    return spoken.flatMap(([capital, small, rest], i) =>
      signs.flatMap(([closing, plain], j) => {
        const start = `${before[(i + j) % before.length]}\n\n`
        return bothDirections(tokenizer, [
          { prompt: `${start}"${capital}${rest}`, answer: closing },
          { prompt: `${start}${openings[i % openings.length]}${small}${rest}`, answer: plain },
        ])
      }),
    )
  },
}
