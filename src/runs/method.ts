import type * as v from 'valibot'
import type { WorkOptions } from '../errors/index.ts'
import type { Edit, GenerateOptions, Model } from '../lab/index.ts'
import type { MethodResult } from '../methods/index.ts'
import type { ViewSpec } from '../views/index.ts'
import { validate } from './validate.ts'

/** What a method is given beside its own prompts and parameters. */
export interface MethodContext extends WorkOptions {
  /** Edits of the model that every run of the method sees. */
  readonly edits: readonly Edit[]
  readonly seed: number
  readonly prependBos?: boolean | undefined
  /** Streams new tokens (`generate`). */
  readonly onToken?: GenerateOptions['onToken'] | undefined
}

/** A method as its row describes it. */
export interface MethodRow<Prompts, Parameters, Values> {
  readonly name: string
  /** One sentence. */
  readonly summary: string
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
}

/** A method as the runner sees it: prompts, parameters and values are the method's own business. */
export interface Method {
  readonly name: string
  readonly summary: string
  /** Throws naming every field of a spec's prompts or parameters that is not as this method needs it. */
  readonly check: (prompts: unknown, parameters: unknown) => void
  readonly run: (
    model: Model,
    prompts: unknown,
    parameters: unknown,
    context: MethodContext,
  ) => Promise<MethodResult<object>>
  readonly views: (values: object) => ViewSpec[]
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
    summary: row.summary,
    check: read,
    run(model, prompts, parameters, context) {
      const given = read(prompts, parameters)
      return row.run(model, given.prompts, given.parameters, context)
    },
    // A result's values are what the row of its method gave.
    views: (values) => row.views(values as Values),
  }
}
