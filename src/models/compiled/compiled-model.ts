import type { WeightValues } from '../processing/index.ts'
import type { Edge, Part } from './parts.ts'
import type { Circuit } from './place.ts'

/** Which instance of a family is built. */
export interface InstanceOptions {
  /** Chooses the basis, the places of heads, neurons and tokens, sizes and strengths; 0 unless said. */
  readonly seed?: number
  /**
   * How much of the family's misleading mechanism there is, from 0 (none: a sound neighbour of the same places, sizes and
   * strengths) to 1; 1 unless said. Families without such a mechanism take no notice.
   */
  readonly mislead?: number
}

/** Token ids with the token that the model answers at the last position, and one that it does not. */
export interface CompiledQuestion {
  readonly ids: readonly number[]
  readonly answer: number
  readonly wrong: number
}

/** Two prompts of one length. Answer and wrong token are the clean prompt's. */
export interface CompiledPair {
  readonly clean: readonly number[]
  readonly corrupt: readonly number[]
  readonly answer: number
  readonly wrong: number
  /** What differs between the prompts. */
  readonly changes: string
}

/** A part that takes over when another is gone, and how. */
export interface Compensation {
  readonly lost: Part
  readonly by: Part
  /** Edges that carry something only without the lost part. */
  readonly edges: readonly Edge[]
}

/** A direction in an activation whose part in the computation is known. */
export interface KnownDirection {
  readonly name: string
  readonly hook: string
  /** Of length 1, along the last axis of the hook. */
  readonly vector: readonly number[]
}

/** A statement about which parts the answer depends on, and whether it is true on all inputs. */
export interface KnownHypothesis {
  readonly dependsOn: readonly Part[]
  /** Positions whose tokens, it says, decide all that these parts hold at the end; those that they do depend on unless said. */
  readonly tokens?: readonly number[]
  readonly holds: boolean
}

/** How a model works: plain data. What is not named does nothing for the answer. */
export interface Truth {
  /** The jobs of heads and neurons. */
  readonly roles: Readonly<Record<Part, string>>
  /** Heads and MLP layers that change the answer of some pair when they are patched alone, in one direction or the other. */
  readonly matters: readonly Part[]
  /** What passes between them, and from the embeddings and to the logits, on some pair. */
  readonly edges: readonly Edge[]
  readonly compensation: readonly Compensation[]
  readonly directions: readonly KnownDirection[]
  readonly hypotheses: readonly KnownHypothesis[]
  /** Numbers of the construction, such as the share of a write that is erased; the family says which. */
  readonly facts: Readonly<Record<string, number>>
}

/** A transformer built by hand, with what is true of it. */
export interface CompiledModel {
  /** The family's name, the seed and the amount of misleading mechanism. */
  readonly name: string
  readonly family: string
  readonly description: string
  readonly seed: number
  readonly mislead: number
  /** The vocabulary by id; every token is one character, `^` the start token. */
  readonly tokens: readonly string[]
  /** Config fields in TransformerLens's names. */
  readonly config: Readonly<Record<string, unknown>>
  /** float32 weights under TransformerLens's names, in its shapes. */
  readonly weights: ReadonlyMap<string, WeightValues>
  /** Drawn as the family's data are distributed, all of one length. */
  readonly questions: readonly CompiledQuestion[]
  readonly pairs: readonly CompiledPair[]
  readonly truth: Truth
  /** The same model in doubles and without a random basis: what `referenceRun` takes. */
  readonly circuit: Circuit
  /** All inputs when there are at most `count`, else `count` random ones. */
  inputs(count: number): readonly (readonly number[])[]
  /** The token that the model was built to answer, computed from the prompt alone; null where it is undecided on purpose. */
  answer(ids: readonly number[]): number | null
}
