import { randomSource } from '../../random/index.ts'
import {
  carryOrigins,
  digitPairs,
  type PairKind,
  type Question,
  questionOfKinds,
} from '../../train/tasks/addition/categories.ts'

/** Questions whose carry is made at digit `start` and passes through exactly `nines` sums of 9. */
export interface CascadeGroup {
  readonly start: number
  readonly nines: number
  readonly questions: readonly Question[]
}

const GOLDEN = (Math.sqrt(5) - 1) / 2

/**
 * Cascades of every start and length, `count` questions for each, in which no other chain is as long. The pair that makes the
 * carry and those that pass it on are enumerated (evenly, where there are more than `count` combinations), all others are drawn.
 */
export function enumeratedCascades(digits: number, count: number): CascadeGroup[] {
  const groups: CascadeGroup[] = []
  for (let nines = 1; nines < digits; nines++) {
    for (let start = 0; start + nines < digits; start++) {
      const random = randomSource(0, 'enumerated cascades', digits, start, nines)
      const chain = [digitPairs.makes, ...new Array<typeof digitPairs.passes>(nines).fill(digitPairs.passes)]
      const combinations = chain.reduce((product, pairs) => product * pairs.length, 1)
      // Prime to 2, 3 and 5, so that its multiples run through all combinations, and through each pair's evenly.
      const stride = 30 * Math.floor((combinations * GOLDEN) / 30) + 1
      const questions = Array.from({ length: count }, (_, i) => {
        let rest = (i * stride) % combinations
        const pairs = chain.map((choices) => {
          const pair = choices[rest % choices.length]!
          rest = Math.floor(rest / choices.length)
          return pair
        })
        for (;;) {
          const question = placed(randomAround(digits, start + nines + 1, random), pairs, start)
          if (isOnlyLongest(question, start, nines)) return question
        }
      })
      groups.push({ start, nines, questions })
    }
  }
  return groups
}

/** Random pairs whose pair at `above`, if there is one, ends a cascade: it does not sum to 9. */
function randomAround(digits: number, above: number, random: ReturnType<typeof randomSource>): Question {
  const ends = (): PairKind => (random.integer(2) === 0 ? 'stops' : 'makes')
  return questionOfKinds(
    Array.from({ length: digits }, (_, i) => (i === above ? ends() : undefined)),
    random,
  )
}

function placed({ first, second }: Question, pairs: readonly (readonly [number, number])[], start: number): Question {
  const [a, b] = [[...first], [...second]]
  pairs.forEach((pair, i) => {
    a[start + i] = pair[0]
    b[start + i] = pair[1]
  })
  return { first: a, second: b }
}

/** Whether the carry made at `start` reaches the digit above the nines, and none passes through as many elsewhere. */
function isOnlyLongest(question: Question, start: number, nines: number): boolean {
  const origins = carryOrigins(question)
  return origins[start + nines + 1] === nines && origins.filter((origin) => origin >= nines).length === 1
}
