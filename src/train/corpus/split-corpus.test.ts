import { describe, expect, test } from 'vitest'
import { stripBoilerplate } from './boilerplate.ts'
import { sharedPassages } from './shared-passages.ts'
import { splitDocument } from './split.ts'
import { splitCorpus } from './split-corpus.ts'

/** `count` words that no other `name` has. */
const words = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}${i}`).join(' ')

describe('stripBoilerplate', () => {
  const body = 'CHAPTER I\n\nIt was the end of the project.\n'
  test("takes Project Gutenberg's header and licence off", () => {
    const header = 'The Project Gutenberg eBook\n\n*** START OF THIS PROJECT GUTENBERG EBOOK X ***\n\n'
    const licence = "\nEnd of Project Gutenberg's X, by Y\n\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\nSmall print."
    expect(stripBoilerplate(header + body + licence)).toBe(body.trim())
  })
  test('leaves other texts', () => expect(stripBoilerplate(body)).toBe(body.trim()))
})

describe('splitDocument', () => {
  test('cuts at the paragraph nearest to the wanted place', () => {
    const paragraphs = Array.from({ length: 100 }, (_, i) => `Paragraph ${String(i).padStart(2, '0')}.\nIt goes on.`)
    const { train, heldOut } = splitDocument(paragraphs.join('\n\n'), 0.05)
    expect(train.endsWith('Paragraph 94.\nIt goes on.')).toBe(true)
    expect(heldOut).toBe(paragraphs.slice(95).join('\n\n'))
  })
  test('falls back to lines, then to sentences, then to nothing', () => {
    const sentences = Array.from({ length: 100 }, (_, i) => `It is ${String(i).padStart(2, '0')} now.`)
    expect(splitDocument(sentences.join('\n'), 0.1).heldOut).toBe(sentences.slice(90).join('\n'))
    expect(splitDocument(sentences.join(' '), 0.1).heldOut).toBe(sentences.slice(90).join(' '))
    expect(splitDocument('x'.repeat(500), 0.1)).toEqual({ train: 'x'.repeat(500), heldOut: '' })
  })
})

describe('sharedPassages', () => {
  const quotation = words('Quoted', 60)
  test('finds a planted copy once, whatever its case, punctuation and lines', () => {
    const heldOut = [words('a', 200), `${words('b', 30)}. "${quotation.toUpperCase()}" ${words('c', 30)}`]
    const train = [words('d', 300), `${words('e', 100)}; ${quotation.replaceAll(' ', ',\n')}! ${words('f', 20)}`]
    expect(sharedPassages(heldOut, train, 50)).toEqual([
      { heldOut: 1, train: 1, words: 60, text: quotation.toLowerCase() },
    ])
    expect(sharedPassages(heldOut, train, 60).length).toBe(1)
    expect(sharedPassages(heldOut, train, 61)).toEqual([])
  })
  test('a copy at both beginnings, and one text within another', () => {
    expect(sharedPassages([quotation], [`${quotation} more`], 13).map(({ words }) => words)).toEqual([60])
    expect(sharedPassages([`before ${quotation}`], [quotation], 13).map(({ words }) => words)).toEqual([60])
    expect(sharedPassages(['too short'], ['too short'], 13)).toEqual([])
  })
})

test('splitCorpus drops a held-out end that a training text has, and no other', () => {
  const ending = words('ending', 80)
  const document = (name: string, end: string) => ({ name, text: `${words(name, 1200)}\n\n${end}` })
  const documents = [
    document('a', ending),
    document('b', words('unique', 80)),
    { name: 'c', text: `${ending} ${words('c', 2000)}` },
  ]
  const [a, b, c] = splitCorpus(documents, { heldOutFraction: 0.1 })
  expect(a).toMatchObject({ train: words('a', 1200), heldOut: '' })
  expect(a!.dropped).toMatchObject({ words: 80, sharedWith: 'c' })
  expect(b).toEqual({ name: 'b', train: words('b', 1200), heldOut: words('unique', 80) })
  expect(c!.dropped).toBeUndefined()
  expect(splitCorpus(documents, { heldOutFraction: 0.1, sharedWords: 81 })[0]!.heldOut).toBe(ending)
})
