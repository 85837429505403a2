import * as v from 'valibot'
import { promptSchema, questionSchema } from './prompt-schema.ts'

// Fields that several methods' parameters share.

type Named<Schema extends v.GenericSchema> = v.SchemaWithPipe<
  readonly [Schema, v.TitleAction<v.InferOutput<Schema>, string>, v.DescriptionAction<v.InferOutput<Schema>, string>]
>

/** A parameter's schema with its name for people, and a sentence of help: what it is, and what acts when it is not given. */
export function named<const Schema extends v.GenericSchema>(
  schema: Schema,
  title: string,
  help: string,
): Named<Schema> {
  return v.pipe(schema, v.title(title), v.description(help)) as unknown as Named<Schema>
}

export const count = v.pipe(v.number(), v.integer(), v.minValue(1))
const index = v.pipe(v.number(), v.integer())
/** Indices from 0; negative ones count from the end. */
export const indices = v.pipe(v.array(index), v.minLength(1))
export const position = index
export const promptList = v.pipe(v.array(promptSchema), v.minLength(1))

/** Which parts of the model and the prompt; all unless given. */
export const layersField = v.optional(
  named(indices, 'Layers', 'Only these layers, from 0; -1 is the last. All unless given.'),
)
export const headsField = v.optional(
  named(indices, 'Heads', 'Only these heads of each layer, from 0. All unless given.'),
)
export const neuronsField = v.optional(
  named(indices, 'Neurons', 'Only these neurons of each MLP, from 0. All unless given.'),
)
export const positionsField = v.optional(
  named(indices, 'Positions', 'Only these token positions, from 0; -1 is the last. All unless given.'),
)

/** How many of the most probable tokens are kept; `where` is `cell` or `position`. */
export const topKField = (where: string) =>
  v.optional(named(count, 'Top tokens', `How many of the most probable tokens are kept per ${where}; 5 unless given.`))

/** Questions; a bare prompt is one without an answer. */
export const questionList = v.pipe(
  v.array(
    v.union(
      [
        v.pipe(
          promptSchema,
          v.transform((prompt) => ({ prompt })),
        ),
        questionSchema,
      ],
      'a text, a list of token ids, or { prompt, answer, wrong }',
    ),
  ),
  v.minLength(1),
)
