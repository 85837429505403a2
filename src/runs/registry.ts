import type * as v from 'valibot'
import type { WorkOptions } from '../errors/index.ts'
import type { Edit, Model } from '../lab/index.ts'
import type { MethodResult } from '../methods/index.ts'
import type { ViewSpec } from '../views/index.ts'

/** What a method's row is given beside its own prompts and parameters. */
export interface MethodContext extends WorkOptions {
  readonly edits: readonly Edit[]
  readonly seed: number
  readonly prependBos?: boolean
  /** Streams new tokens (`generate`). */
  readonly onToken?: (token: { prompt: number; id: number; text: string }) => void
}

/** A method as the command line, web page and job runner see it. */
export interface MethodRow<Prompts, Parameters, Values> {
  readonly name: string
  /** One sentence. */
  readonly summary: string
  /** The form that `prompts` of a spec must have. */
  readonly prompts: v.GenericSchema<unknown, Prompts>
  readonly parameters: v.GenericSchema<unknown, Parameters>
  /** Whether `edits` of a spec act on its runs, or why they cannot. */
  readonly edits: true | string
  readonly run: (
    model: Model,
    prompts: Prompts,
    parameters: Parameters,
    context: MethodContext,
  ) => Promise<MethodResult<Values>>
  /** Pictures of the values, the most telling first. */
  readonly views: (values: Values) => ViewSpec[]
}
