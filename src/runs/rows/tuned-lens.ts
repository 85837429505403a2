import * as v from 'valibot'
import { DiopterError } from '../../errors/index.ts'
import { LENS_FILES, readLens, type TunedLensValues, tunedLens } from '../../methods/index.ts'
import type { Place, ViewSpec } from '../../views/index.ts'
import { EXAMPLE_TEXT } from '../examples.ts'
import { count, named, topKField } from '../fields.ts'
import { defineMethod, type MethodContext } from '../method.ts'
import { promptSchema } from '../prompt-schema.ts'
import { positionPlaces, promptPlace } from './places.ts'

const positive = v.pipe(v.number(), v.gtValue(0))

export const tunedLensRow = defineMethod({
  name: 'tuned_lens',
  title: 'Tuned lens',
  summary: 'What the model would say after every layer, through translators that are trained for it (tuned lens)',
  question: 'read',
  takes: 'optional prompts',
  example: {
    prompts: [EXAMPLE_TEXT],
    parameters: {
      texts: [EXAMPLE_TEXT, 'The king said nothing to the men who came from the city.', 'It was a long time ago.'],
      steps: 4,
      tokensPerStep: 16,
      control: false,
    },
  },
  // A lens can be trained and measured without a prompt to look at.
  prompts: v.array(promptSchema),
  parameters: v.strictObject({
    texts: v.optional(
      named(
        v.pipe(v.array(promptSchema), v.minLength(1)),
        'Training texts',
        "What translators are trained and measured on. The model's own samples unless given.",
      ),
    ),
    tokens: v.optional(named(count, 'Tokens', 'At most this many tokens of the training texts; 16384 unless given.')),
    sequenceLength: v.optional(
      named(
        v.pipe(v.number(), v.integer(), v.minValue(2)),
        'Sequence length',
        'Longer texts are cut into sequences of this many tokens; 128, or the context, unless given.',
      ),
    ),
    steps: v.optional(named(count, 'Steps', 'Training steps; 250 unless given.')),
    tokensPerStep: v.optional(named(count, 'Tokens per step', 'Tokens of one training step; 256 unless given.')),
    learningRate: v.optional(
      named(positive, 'Learning rate', 'The largest rate of Adam, which falls linearly to 0; 0.003 unless given.'),
    ),
    weightDecay: v.optional(
      named(
        v.pipe(v.number(), v.minValue(0)),
        'Weight decay',
        'How much translators are pulled towards doing nothing; 0.001 unless given.',
      ),
    ),
    control: v.optional(
      named(v.boolean(), 'Control', 'Whether a second lens is trained on shuffled targets; yes unless given.'),
    ),
    lens: v.optional(
      named(
        v.string(),
        'Trained lens',
        'A folder with a lens that was saved: it is used and nothing is trained. Only from the command line.',
      ),
    ),
    keepTranslators: v.optional(
      named(v.boolean(), 'Keep translators', 'Whether the result holds the translators themselves; no unless given.'),
    ),
    topK: topKField('cell'),
  }),
  run: async (model, prompts, { lens, ...parameters }, context) => {
    const trained = lens === undefined ? undefined : readLens(await lensFiles(lens, context), model)
    return tunedLens(model, prompts, { ...parameters, ...context, lens: trained })
  },
  views: (values) => [measuresMap(values), ...measureCurves(values), ...grids(values)],
})

async function lensFiles(folder: string, { readFile }: MethodContext) {
  if (!readFile)
    throw new DiopterError(
      `The lens of the folder '${folder}' cannot be read here; use it from the command line (diopter tuned-lens --lens ${folder}), or train one.`,
    )
  const read = (file: string) =>
    readFile(`${folder}/${file}`).catch((error: Error) => {
      throw new DiopterError(`There is no trained lens in '${folder}': ${error.message}.`)
    })
  const [translators, card] = await Promise.all([read(LENS_FILES.translators), read(LENS_FILES.card)])
  return { translators, card }
}

/** The first row is the embedding, which belongs to no layer. */
const rowPlaces = (layers: readonly string[]): Place[] => [
  {},
  ...layers.slice(1).map((layer) => ({ layer: Number(layer) })),
]

function measuresMap({ layers, heldOut, training }: TunedLensValues): ViewSpec {
  const columns = heldOut
    ? [heldOut.logit.kl, heldOut.tuned.kl, heldOut.logit.bias, heldOut.tuned.bias]
    : new Array<null[]>(4).fill(layers.map(() => null))
  return {
    view: 'heatMap',
    props: {
      title: heldOut
        ? `Both lenses on ${heldOut.tokens} held-out tokens, after ${training.stepsDone} steps`
        : `Not measured: cancelled after ${training.stepsDone} of ${training.steps} steps`,
      values: layers.map((_, row) => columns.map((column) => column[row]!)),
      rowLabels: layers,
      columnLabels: ['KL, logit lens', 'KL, tuned lens', 'bias, logit lens', 'bias, tuned lens'],
      rowAxis: 'layer',
      columnAxis: 'measure',
      valueLabel: 'nats',
      scale: 'sequential',
    },
    places: { rows: rowPlaces(layers) },
  }
}

function measureCurves({ layers, heldOut, losses }: TunedLensValues): ViewSpec[] {
  const rows = layers.map((_, row) => row)
  const constant = heldOut && rows.map(() => heldOut.unigram)
  const series = heldOut && [
    { name: 'logit lens', x: rows, y: heldOut.logit.kl },
    { name: 'tuned lens', x: rows, y: heldOut.tuned.kl },
    { name: 'constant guess', x: rows, y: constant! },
    ...(heldOut.controlKl ? [{ name: 'control', x: rows, y: heldOut.controlKl }] : []),
  ]
  const kl: ViewSpec[] = series
    ? [
        {
          view: 'curves',
          props: {
            title: 'How far from the final answer, layer by layer',
            series,
            xLabel: 'row of the lens (0 = embed)',
            yLabel: 'KL(final || row), nats',
          },
          places: { columns: rowPlaces(layers) },
        },
      ]
    : []
  if (losses.length === 0) return kl
  const steps = losses.map((_, step) => step + 1)
  return [
    ...kl,
    {
      view: 'curves',
      props: {
        title: 'Training of the translators',
        series: [{ name: 'KL, mean over rows', x: steps, y: losses }],
        xLabel: 'step',
        yLabel: 'nats',
      },
    },
  ]
}

function grids({ layers, prompts }: TunedLensValues): ViewSpec[] {
  return prompts.map(({ prompt: { tokens }, cells }, i) => ({
    view: 'lensGrid',
    props: { title: 'Tuned lens', cells, layerLabels: layers, tokens },
    places: { all: promptPlace(i, prompts.length), rows: rowPlaces(layers), columns: positionPlaces(tokens) },
  }))
}
