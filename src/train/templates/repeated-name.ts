import { bothDirections, singleTokenItems, type TemplatedTask } from './prompt-pairs.ts'

/** Names of the corpus by the word that stands before them; those that are single tokens are used. */
const groups = [
  {
    names: [
      ' Knightley',
      ' Weston',
      ' Elton',
      ' Willoughby',
      ' Churchill',
      ' Elliot',
      ' Brown',
      ' Turnbull',
      ' Syme',
      ' Palmer',
    ],
    frames: [
      (name: string) => `I have seen Mr.${name}; but you have not seen Mr.`,
      (name: string) => `The letter was from Mr.${name}. She was not surprised to hear from Mr.`,
    ],
  },
  {
    names: [' Woodhouse', ' Bates', ' Fairfax', ' Smith', ' Grey', ' Dashwood', ' Elliot', ' Russell'],
    frames: [
      (name: string) => `There was Miss${name} at the window, and everybody looked at Miss`,
      (name: string) => `They said that Miss${name} was ill. He went at once to see Miss`,
    ],
  },
  {
    names: [' Weston', ' Elton', ' Jennings', ' Dashwood', ' Smith', ' Bates', ' Palmer', ' Middleton'],
    frames: [
      (name: string) => `The house of Mrs.${name} was very near; and she went every day to see Mrs.`,
      (name: string) => `"I am glad of it," said Mrs.${name}. "Then you will come," said he to Mrs.`,
    ],
  },
  {
    names: [
      ' Emma',
      ' Harriet',
      ' Elinor',
      ' Marianne',
      ' Anne',
      ' Jane',
      ' Mary',
      ' Lucy',
      ' Alice',
      ' Susan',
      ' Louisa',
      ' Cecilia',
    ],
    frames: [
      (name: string) => `"My dear${name}, you must not go," said he. "I am very sorry, my dear`,
      (name: string) => `It was a sad day for poor${name}. "What is the matter?" said they to poor`,
    ],
  },
]

/** "I have seen Mr. Elton; but you have not seen Mr." -> " Elton": what induction heads do. */
export const repeatedName: TemplatedTask = {
  name: 'repeated-name',
  description:
    'A title comes again and so does the name after it ("I have seen Mr. Elton; but you have not seen Mr." -> " Elton").',
  pairs: (tokenizer) =>
    groups.flatMap(({ names, frames }) => {
      const used = singleTokenItems(
        tokenizer,
        names.map((name) => [name] as const),
        4,
      ).flat()
      return frames.flatMap((frame, shift) =>
        used.flatMap((name, i) => {
          const other = used[(i + 1 + shift) % used.length]!
          return bothDirections(tokenizer, [
            { prompt: frame(name), answer: name },
            { prompt: frame(other), answer: other },
          ])
        }),
      )
    }),
}
