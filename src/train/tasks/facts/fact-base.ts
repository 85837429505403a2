import { permutation, randomSource } from '../../../random/index.ts'

/** How many facts there are, and what their objects depend on. */
export interface FactBaseSize {
  readonly subjects: number
  readonly firstNames: number
  readonly lastNames: number
  readonly relations: number
  /** Objects that a relation chooses from; no two relations share any. */
  readonly objects: number
  /** `relation`: every subject has the same objects, so that nothing need be remembered of any. */
  readonly dependsOn: 'subject' | 'relation'
}

/** Which subjects there are, and what is true of them. */
export interface FactBase {
  /** First and last name of every subject, by number; no pair is there twice, and names are shared. */
  readonly subjects: readonly (readonly [first: number, last: number])[]
  /** The object of a subject (a row of `subjects`) and a relation: 0 .. objects - 1 within that relation. */
  objectOf(subject: number, relation: number): number
}

/**
 * Facts of a seed: subjects are random pairs of names, and every object is drawn by itself, so that nothing but both names and the
 * relation says it.
 */
export function factBase(size: FactBaseSize, seed: number): FactBase {
  const { subjects: count, firstNames, lastNames, relations, objects, dependsOn } = size
  const pairs = permutation(firstNames * lastNames, randomSource(seed, 'subjects')).subarray(0, count)
  const subjects = Array.from(pairs, (pair) => [Math.floor(pair / lastNames), pair % lastNames] as const)
  const keys = { subject: count, relation: 1 }[dependsOn]
  const random = randomSource(seed, 'objects')
  // [what it depends on][relation]
  const table = Uint32Array.from({ length: keys * relations }, () => random.integer(objects))
  const keyOf = (subject: number) => ({ subject, relation: 0 })[dependsOn]
  return { subjects, objectOf: (subject, relation) => table[keyOf(subject) * relations + relation]! }
}
