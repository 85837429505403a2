import * as v from 'valibot'
import { DiopterError, nearMatches } from '../../errors/index.ts'
import { modelSchema, runSpecSchema } from '../../runs/schema.ts'
import { validate } from '../../runs/validate.ts'
import type { RequestName, ServiceRequest } from './messages.ts'

const backend = runSpecSchema.entries.backend.wrapped
const onModel = { model: modelSchema, backend }
const object = v.record(v.string(), v.unknown())

const fields = {
  models: {},
  open: onModel,
  tokenize: { ...onModel, text: v.string(), prependBos: v.optional(v.boolean()) },
  align: { ...onModel, clean: v.string(), corrupt: v.string() },
  // Specs and trainings are checked where they are carried out, by the schemas of method and task.
  run: { spec: object },
  train: { training: object, backend },
} satisfies Record<RequestName, v.ObjectEntries>

/** A request from parsed JSON. Throws with a sentence that names the kinds, or every field that is wrong. */
export function parseRequest(json: unknown): ServiceRequest {
  const kind = (json as { kind?: unknown } | null)?.kind
  const kinds = Object.keys(fields)
  if (typeof kind !== 'string')
    throw new DiopterError(`A request is an object that says its \`kind\`: ${kinds.join(', ')}.`)
  if (!Object.hasOwn(fields, kind))
    throw new DiopterError(
      `There is no request of kind '${kind}'; did you mean ${nearMatches(kind, kinds, 1)[0]}? All: ${kinds.join(', ')}.`,
    )
  const schema = v.strictObject({ kind: v.literal(kind), ...fields[kind as RequestName] })
  return validate(schema, json, `The request '${kind}'`) as ServiceRequest
}
