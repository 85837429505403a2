import { permutation, type RandomSource } from '../../../random/index.ts'
import type { FactBase, FactBaseSize } from './fact-base.ts'

/** How many ways there are to say each relation, in a word of its own. */
export const WORDINGS = 2
/** What documents are made of, beside their facts. */
export interface DocumentForm extends FactBaseSize {
  /** What stands around the subject: other names, another choice in every document, or always the same words. */
  readonly others: 'names' | 'words'
}

/** Other names (or words) before or behind the subject: how many come before is the document's opening. */
const OTHERS = 3
/** A subject comes after 0, 1 or 2 other names, so that its own have no fixed place. */
export const OPENINGS = 3
/** The start token, the other names and the subject's own two. */
const HEAD = 1 + OTHERS + 2
/** A fact: the relation, the word that asks for the object, the object. */
const FACT = 3

/** Tokens of a prompt that asks for one fact of a subject: all of a document up to its first object. */
export const PROMPT_LENGTH = HEAD + FACT - 1

/** Tokens of a document: all facts of one subject. */
export function documentLength({ relations }: Pick<FactBaseSize, 'relations'>): number {
  return HEAD + FACT * relations
}

/** Where a document's objects are, in its order. */
export function objectPositions({ relations }: Pick<FactBaseSize, 'relations'>): number[] {
  return Array.from({ length: relations }, (_, i) => HEAD + FACT * i + FACT - 1)
}

/** Where each kind of word begins in the vocabulary; 0 starts a document. */
function vocabularyOf({ firstNames, lastNames, relations, objects }: DocumentForm) {
  const [asking, word] = [1, 2]
  const firstName = word + OTHERS
  const lastName = firstName + firstNames
  const relation = lastName + lastNames
  const object = relation + relations * WORDINGS
  return { asking, word, firstName, lastName, relation, object, size: object + relations * objects }
}

/** Tokens of the vocabulary. */
export function vocabularySize(size: DocumentForm): number {
  return vocabularyOf(size).size
}

/** What a document opens with, beside its subject. */
interface Head {
  /** Other names before the subject: 0 .. OPENINGS - 1 */
  readonly opening: number
  /** Other names, first or last ones, by number: OTHERS */
  readonly others: readonly number[]
}

/** What a prompt asks, and how. */
export interface Question {
  /** A row of the fact base's subjects. */
  readonly subject: number
  readonly relation: number
  /** 0 .. WORDINGS - 1 */
  readonly wording: number
  readonly head: Head
}

/** Any question, all equally likely. */
export function randomQuestion(size: DocumentForm, random: RandomSource): Question {
  return {
    subject: random.integer(size.subjects),
    relation: random.integer(size.relations),
    wording: random.integer(WORDINGS),
    head: randomHead(size, random),
  }
}

function randomHead({ firstNames, lastNames }: DocumentForm, random: RandomSource): Head {
  return {
    opening: random.integer(OPENINGS),
    others: Array.from({ length: OTHERS }, () => random.integer(firstNames + lastNames)),
  }
}

/** A prompt about a fact. */
export interface FactPrompt {
  /** PROMPT_LENGTH token ids: `<start> other* first last other+ relation asking`. */
  readonly tokens: readonly number[]
  /** Positions of the first and the last name. */
  readonly subject: readonly [first: number, last: number]
  /** The object's token id, which comes next. */
  readonly answer: number
}

/** Puts a question into words. */
export function factPrompt(size: DocumentForm, base: FactBase, question: Question): FactPrompt {
  const { subject, head } = question
  const [relation, asking, answer] = factTokens(size, base, question)
  const tokens = [...headTokens(size, base, subject, head), relation, asking]
  return { tokens, subject: [1 + head.opening, 2 + head.opening], answer }
}

/** All facts of a subject in random order and wording, token by token: documentLength(size) ids. */
export function factDocument(size: DocumentForm, base: FactBase, random: RandomSource): number[] {
  const subject = random.integer(size.subjects)
  const head = headTokens(size, base, subject, randomHead(size, random))
  const told = Array.from(permutation(size.relations, random), (relation) =>
    factTokens(size, base, { subject, relation, wording: random.integer(WORDINGS) }),
  )
  return [...head, ...told.flat()]
}

/**
 * The subject is the one first name that a last name follows: on either side of it, other last names come before other first names.
 * Only its last token can tell, and only by looking at the token before.
 */
function headTokens(size: DocumentForm, { subjects }: FactBase, subject: number, { opening, others }: Head): number[] {
  const at = vocabularyOf(size)
  const [first, last] = subjects[subject]!
  // last names follow first names in the vocabulary
  const isLast = (name: number) => Number(name >= size.firstNames)
  const side = (from: number, to: number) =>
    size.others === 'names'
      ? others
          .slice(from, to)
          .sort((a, b) => isLast(b) - isLast(a))
          .map((name) => at.firstName + name)
      : Array.from({ length: to - from }, (_, i) => at.word + from + i)
  return [0, ...side(0, opening), at.firstName + first, at.lastName + last, ...side(opening, OTHERS)]
}

function factTokens(
  size: DocumentForm,
  base: FactBase,
  { subject, relation, wording }: Omit<Question, 'head'>,
): [relation: number, asking: number, object: number] {
  const at = vocabularyOf(size)
  const object = relation * size.objects + base.objectOf(subject, relation)
  return [at.relation + relation * WORDINGS + wording, at.asking, at.object + object]
}
