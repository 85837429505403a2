import type * as v from 'valibot'
import type { WorkOptions } from '../errors/index.ts'
import type { Edit, GenerateOptions, Model } from '../lab/index.ts'
import type { MethodResult } from '../methods/index.ts'
import type { Place, ViewSpec } from '../views/index.ts'
import type { RunSpec, RunSpecInput } from './schema.ts'
import { validate } from './validate.ts'

/** The kinds of questions that methods answer. */
export type MethodQuestion = 'read' | 'cause' | 'circuits'

/** Texts (or token ids), texts with an answer, pairs of texts with an answer, or texts that may be left out. */
export type PromptForm = 'prompts' | 'questions' | 'pairs' | 'optional prompts'

/** The part of a spec that is the method's own. */
export type MethodExample = Pick<RunSpecInput, 'prompts' | 'parameters'>

/** A spec with what it is, in a word or two. */
export interface LabelledSpec {
  readonly label: string
  readonly spec: RunSpecInput
}

/** What a method is given beside its own prompts and parameters. */
export interface MethodContext extends WorkOptions {
  /** Edits of the model that every run of the method sees. */
  readonly edits: readonly Edit[]
  readonly seed: number
  readonly prependBos?: boolean | undefined
  /** Gives values as far as they are computed, on the way: those of a cancelled run. Work is then done in smaller batches. */
  readonly onPartial?: ((result: MethodResult<object>) => void) | undefined
  /** Reads a file that a parameter names; absent where parameters cannot name files: in browsers, and for who asks a server. */
  readonly readFile?: ((path: string) => Promise<Uint8Array>) | undefined
  /** Streams new tokens (`generate`). */
  readonly onToken?: GenerateOptions['onToken'] | undefined
}

/** A method as its row describes it. */
export interface MethodRow<Prompts, Parameters, Values> {
  readonly name: string
  /** Its name for people: `Logit lens`. */
  readonly title: string
  /** One sentence. */
  readonly summary: string
  /** The kind of question that it answers: what is there, what causes what, or which circuit does it. */
  readonly question: MethodQuestion
  /** What one of its prompts is. */
  readonly takes: PromptForm
  /** A spec's prompts and parameters that show the method at work on the shipped text model. */
  readonly example: MethodExample
  /** The form of a spec's `prompts`. */
  readonly prompts: v.GenericSchema<unknown, Prompts>
  /** The form of a spec's `parameters`. */
  readonly parameters: v.GenericSchema<unknown, Parameters>
  readonly run: (
    model: Model,
    prompts: Prompts,
    parameters: Parameters,
    context: MethodContext,
  ) => Promise<MethodResult<Values>>
  /** Pictures of the values, the most telling first. */
  readonly views: (values: Values) => ViewSpec[]
  /** The single runs behind a place of the pictures, to look at side by side: for patching the clean, the corrupted and the patched one. */
  readonly runsAt?: (spec: RunSpec, values: Values, place: Place) => readonly LabelledSpec[]
}

/** A method as the runner sees it: prompts, parameters and values are the method's own business. */
export interface Method {
  readonly name: string
  readonly title: string
  readonly summary: string
  readonly question: MethodQuestion
  readonly takes: PromptForm
  readonly example: MethodExample
  /** The schema of a spec's `parameters`: what a form is made from. */
  readonly parameters: v.GenericSchema
  /** Throws naming every field of a spec's prompts or parameters that is not as this method needs it. */
  readonly check: (prompts: unknown, parameters: unknown) => void
  readonly run: (
    model: Model,
    prompts: unknown,
    parameters: unknown,
    context: MethodContext,
  ) => Promise<MethodResult<object>>
  readonly views: (values: object) => ViewSpec[]
  /** Empty where the method has no such runs, or the place is none of its own. */
  readonly runsAt: (spec: RunSpec, values: object, place: Place) => readonly LabelledSpec[]
}

/** Closes a row over its own types. */
export function defineMethod<Prompts, Parameters, Values extends object>(
  row: MethodRow<Prompts, Parameters, Values>,
): Method {
  const read = (prompts: unknown, parameters: unknown) => ({
    prompts: validate(row.prompts, prompts, `\`prompts\` of a spec with method '${row.name}'`),
    parameters: validate(row.parameters, parameters, `\`parameters\` of a spec with method '${row.name}'`),
  })
  return {
    name: row.name,
    title: row.title,
    summary: row.summary,
    question: row.question,
    takes: row.takes,
    example: row.example,
    parameters: row.parameters,
    check: read,
    run(model, prompts, parameters, context) {
      const given = read(prompts, parameters)
      return row.run(model, given.prompts, given.parameters, context)
    },
    // A result's values are what the row of its method gave.
    views: (values) => row.views(values as Values),
    runsAt: (spec, values, place) => row.runsAt?.(spec, values as Values, place) ?? [],
  }
}
