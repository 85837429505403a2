import * as v from 'valibot'
import type { Feature } from '../methods/index.ts'

const position = v.pipe(v.number(), v.integer())
const name = v.pipe(v.string(), v.nonEmpty())
const names = v.pipe(v.array(name), v.minLength(1))

/** A feature as plain JSON; see `Feature`. */
const featureSchema: v.GenericSchema<Exclude<Feature, (...given: never[]) => unknown>> = v.union(
  [
    v.strictObject({ token: position }),
    v.strictObject({ equal: v.tuple([position, position]) }),
    v.strictObject({ earlier: position }),
    v.strictObject({ follower: position }),
    v.strictObject({ label: name }),
    v.strictObject({ all: v.pipe(v.array(v.lazy(() => featureSchema)), v.minLength(1)) }),
  ],
  'a feature is {"token": -1}, {"equal": [1, -1]}, {"earlier": -1}, {"follower": -1}, {"label": "NAME"} or {"all": [...]}',
)

/** A hypothesis as plain JSON; see `Hypothesis`. */
export const hypothesisSchema = v.strictObject({
  output: names,
  nodes: v.pipe(
    v.array(
      v.strictObject({
        name,
        parts: names,
        positions: v.optional(v.pipe(v.array(position), v.minLength(1))),
        feature: v.optional(featureSchema),
        inputs: v.optional(
          v.pipe(
            v.array(
              v.union([
                name,
                v.strictObject({
                  node: name,
                  as: v.optional(v.pipe(v.array(v.picklist(['q', 'k', 'v', 'in'])), v.minLength(1))),
                }),
              ]),
            ),
            v.minLength(1),
          ),
        ),
      }),
    ),
    v.minLength(1),
  ),
  labels: v.optional(v.record(v.string(), v.array(v.union([v.string(), v.number()])))),
})
