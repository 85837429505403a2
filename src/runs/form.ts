import type * as v from 'valibot'
import { DiopterError } from '../errors/index.ts'
import { promptSchema } from './prompt-schema.ts'

/** One of some words; yes or no; a number; a list of whole numbers; a text; texts; prompts, each a text or token ids; rows of numbers; or an object, as JSON. */
export type FieldKind = 'choice' | 'switch' | 'number' | 'integers' | 'text' | 'texts' | 'prompts' | 'rows' | 'json'

/** What a person can fill in, as plain data. */
export interface FormField {
  /** The parameter's name in a spec. */
  readonly name: string
  readonly label: string
  /** What it is, and what acts when it is left empty. */
  readonly help: string
  readonly kind: FieldKind
  readonly required: boolean
  /** Whether `none` can be said, which is not the same as leaving it empty. */
  readonly nullable: boolean
  /** Of a choice. */
  readonly choices?: readonly string[]
  /** Of a number, and of every number of a list. */
  readonly integer?: boolean
  readonly minimum?: number
  readonly maximum?: number
  /** The number must be larger than this. */
  readonly above?: number
  /** How many entries a list needs. */
  readonly fewest?: number
}

/**
 * The fields of a method's `parameters`, in their order: what a form is made from. Throws for a schema that no form can show,
 * naming `method` and the field.
 */
export function formOf(schema: v.GenericSchema, method = 'this method'): FormField[] {
  const { entries } = schema as unknown as Part
  if (!entries) throw new DiopterError(`The parameters of ${method} are no object, so no form can be made of them.`)
  return Object.entries(entries).map(([name, entry]) => fieldOf(name, entry, method))
}

function fieldOf(name: string, schema: v.GenericSchema, method: string): FormField {
  const layers = wrappings(schema)
  const value = layers.at(-1)!
  const unknown = (what: string) =>
    new DiopterError(`The parameter '${name}' of ${method} has ${what}, which no form can show.`)
  const rules = layers.flatMap(actions)
  const said = (type: string) => rules.find((rule) => rule.type === type) as Record<string, unknown> | undefined
  return {
    name,
    label: String(said('title')?.title ?? name),
    help: String(said('description')?.description ?? ''),
    required: !layers.some(({ type }) => type === 'optional'),
    nullable: layers.some(({ type }) => type === 'nullable'),
    ...shapeOf(value, unknown),
  }
}

type Shape = Omit<FormField, 'name' | 'label' | 'help' | 'required' | 'nullable'>
type Unknown = (what: string) => DiopterError

function shapeOf(schema: Part, unknown: Unknown): Shape {
  const limits = limitsOf(schema, unknown)
  switch (schema.type) {
    case 'picklist':
      return { kind: 'choice', choices: schema.options!.map(String), ...limits }
    case 'boolean':
      return { kind: 'switch', ...limits }
    case 'number':
      return { kind: 'number', ...limits }
    case 'string':
      return { kind: 'text', ...limits }
    case 'strict_object':
      return { kind: 'json' }
    case 'array':
      return { ...listOf(schema.item!, unknown), ...limits }
    default:
      throw unknown(`the schema ${schema.type}`)
  }
}

function listOf(item: v.GenericSchema, unknown: Unknown): Shape {
  if (item === promptSchema) return { kind: 'prompts' }
  const { type } = item
  const limits = limitsOf(item as unknown as Part, unknown)
  if (type === 'number' && limits.integer) return { kind: 'integers', ...limits }
  if (type === 'string') return { kind: 'texts' }
  if (type === 'array' && (item as unknown as Part).item?.type === 'number') return { kind: 'rows' }
  throw unknown(`a list of the schema ${type}`)
}

/** What the rules of a schema demand of a value, or of how many there are. */
function limitsOf(schema: Part, unknown: Unknown): Partial<Shape> {
  return Object.assign(
    {},
    ...actions(schema).map(({ kind, type, requirement }): Partial<Shape> => {
      if (kind === 'metadata' || type === 'finite' || type === 'non_empty') return {}
      if (type === 'integer') return { integer: true }
      if (type === 'min_value') return { minimum: Number(requirement) }
      if (type === 'max_value') return { maximum: Number(requirement) }
      if (type === 'gt_value') return { above: Number(requirement) }
      if (type === 'min_length') return { fewest: Number(requirement) }
      throw unknown(`the rule ${type}`)
    }),
  )
}

/** A schema, or a rule of one, as Valibot keeps them. */
interface Part {
  readonly kind: string
  readonly type: string
  readonly requirement?: unknown
  readonly entries?: Readonly<Record<string, v.GenericSchema>>
  readonly wrapped?: v.GenericSchema
  readonly item?: v.GenericSchema
  readonly options?: readonly unknown[]
  readonly pipe?: readonly Part[]
}

/** A schema, and what it wraps: `optional(nullable(number))` as three. */
function wrappings(schema: v.GenericSchema): Part[] {
  const own = schema as unknown as Part
  return own.wrapped ? [own, ...wrappings(own.wrapped)] : [own]
}

/** The rules and descriptions that are piped behind a schema; pipes may hold pipes. */
function actions(schema: Part): Part[] {
  return (schema.pipe ?? []).flatMap((part, i) => (i === 0 ? (part === schema ? [] : actions(part)) : [part]))
}
