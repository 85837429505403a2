import * as v from 'valibot'
import { editSchema, runSpecSchema } from '../../../runs/index.ts'
import type { Place } from '../../../views/index.ts'
import { type Chip, ENGINES, initialWorkspace, type Pin, TABS, type Workspace } from './workspace.ts'

// The workspace in the address: `#model=text&clean=...`. Only what differs from the first workspace is written.

const index = v.pipe(v.number(), v.integer(), v.minValue(0))
const text = v.string()
const name = v.pipe(v.string(), v.nonEmpty())

const placeSchema = v.strictObject({
  layer: v.optional(index),
  head: v.optional(index),
  neuron: v.optional(index),
  prompt: v.optional(index),
  position: v.optional(index),
  key: v.optional(index),
})
const panelSchema = v.strictObject({
  open: v.optional(v.boolean()),
  parameters: v.optional(v.record(v.string(), v.unknown())),
  ran: v.optional(v.boolean()),
  table: v.optional(v.boolean()),
  prompt: v.optional(v.boolean()),
})

/** How a field is written and read; `read` gives undefined for what it does not understand. */
interface FieldCodec<T> {
  readonly write: (value: T) => string
  readonly read: (text: string) => T | undefined
}

const parsed = <T>(schema: v.GenericSchema<unknown, T>, value: unknown): T | undefined => {
  const result = v.safeParse(schema, value)
  return result.success ? result.output : undefined
}
const plain = (schema: v.GenericSchema<unknown, string>): FieldCodec<string> => ({
  write: (value) => value,
  read: (written) => parsed(schema, written),
})
const choice = <T extends string>(options: readonly T[]): FieldCodec<T> => ({
  write: (value) => value,
  read: (written) => options.find((option) => option === written),
})
const json = <T>(schema: v.GenericSchema<unknown, T>): FieldCodec<T> => ({
  write: (value) => JSON.stringify(value),
  read(written) {
    try {
      return parsed(schema, JSON.parse(written))
    } catch {
      return undefined
    }
  },
})

/** `layer.2,head.3`: short enough to be read in the address. */
const place: FieldCodec<Place | null> = {
  write: (value) =>
    value === null
      ? ''
      : Object.entries(value)
          .filter(([, at]) => at !== undefined)
          .map(([part, at]) => `${part}.${at}`)
          .join(','),
  read(written) {
    const pairs = written.split(',').filter((pair) => pair !== '')
    if (!pairs.every((pair) => /^\w+\.\d+$/.test(pair))) return undefined
    const place = Object.fromEntries(pairs.map((pair) => [pair.split('.')[0]!, Number(pair.split('.')[1])]))
    return parsed(placeSchema, place)
  },
}

const yesOrNo: FieldCodec<boolean> = {
  write: String,
  read: (written) => ({ true: true, false: false })[written],
}

type Codecs = { readonly [Field in keyof Workspace]: FieldCodec<Workspace[Field]> }

const codecs: Codecs = {
  model: plain(name),
  revision: { write: (value) => value ?? '', read: (written) => (written === '' ? null : written) },
  clean: plain(text),
  corrupt: plain(text),
  answer: plain(text),
  wrong: plain(text),
  chips: json<readonly Chip[]>(v.array(v.strictObject({ edit: editSchema, on: v.boolean() }))),
  engine: choice(ENGINES),
  gpu: yesOrNo,
  tab: choice(TABS),
  panels: json(v.record(name, panelSchema)),
  selection: place,
  recipe: plain(name),
  trained: yesOrNo,
  pins: json<readonly Pin[]>(v.array(v.strictObject({ label: text, spec: runSpecSchema }))),
  comparing: yesOrNo,
}
const fields = Object.keys(codecs) as (keyof Workspace)[]

/** The fragment of a link to the workspace, without `#`; empty for the first workspace. */
export function writeWorkspace(workspace: Workspace): string {
  const parameters = new URLSearchParams()
  for (const field of fields) writeField(parameters, workspace, field)
  return parameters.toString()
}

function writeField<Field extends keyof Workspace>(into: URLSearchParams, workspace: Workspace, field: Field): void {
  const { write } = codecs[field]
  const written = write(workspace[field])
  if (written !== write(initialWorkspace[field])) into.set(field, written)
}

/** What a link says. */
export interface ReadLink {
  readonly workspace: Workspace
  /** Sentences about what in it was not understood. */
  readonly problems: readonly string[]
}

/** The workspace of a fragment, with or without `#`. Never throws: what is not understood is left as it is at first. */
export function readWorkspace(fragment: string): ReadLink {
  const problems: string[] = []
  const read: Record<string, unknown> = {}
  for (const [field, written] of new URLSearchParams(fragment.replace(/^#/, ''))) {
    if (!Object.hasOwn(codecs, field)) {
      problems.push(`The link names "${shortened(field)}", which this page does not know; it was left out.`)
      continue
    }
    const value = codecs[field as keyof Workspace].read(written)
    if (value === undefined) {
      problems.push(`The link's ${field}, "${shortened(written)}", cannot be read; the usual one is used instead.`)
    } else read[field] = value
  }
  return { workspace: { ...initialWorkspace, ...read }, problems }
}

const shortened = (written: string) => (written.length > 40 ? `${written.slice(0, 39)}…` : written)
