import * as v from 'valibot'
import { DiopterError } from '../../errors/index.ts'
import {
  type ActivatingExample,
  type CorpusText,
  type MaxActivatingValues,
  maxActivating,
} from '../../methods/index.ts'
import type { ViewSpec } from '../../views/index.ts'
import { EXAMPLE_TEXT } from '../examples.ts'
import { count, named } from '../fields.ts'
import { defineMethod, type MethodContext } from '../method.ts'
import { type PromptJson, promptSchema } from '../prompt-schema.ts'

const whole = v.pipe(v.number(), v.integer(), v.minValue(0))

export const maxActivatingRow = defineMethod({
  name: 'max_activating',
  title: 'Examples by activation',
  summary: 'In what text a neuron, a head or a direction is most active, and in what text it is less so',
  question: 'read',
  takes: 'optional prompts',
  example: {
    prompts: [EXAMPLE_TEXT, 'The king said nothing to the men who came from the city.', 'It was a long time ago.'],
    parameters: { hook: 'blocks.1.mlp.hook_post', index: 3, topK: 3, perBand: 1 },
  },
  // The texts may come from files.
  prompts: v.array(promptSchema),
  parameters: v.strictObject({
    hook: named(
      v.pipe(v.string(), v.nonEmpty()),
      'Hook',
      'Where it is read: blocks.1.mlp.hook_post for neurons, blocks.1.attn.hook_result for what a head writes, hook_pattern for its attention.',
    ),
    index: v.optional(named(whole, 'Entry', 'The entry along the last axis: the number of the neuron.')),
    head: v.optional(named(whole, 'Head', 'The head, where the hook has heads.')),
    direction: v.optional(
      named(
        v.pipe(v.string(), v.nonEmpty()),
        'Direction',
        'In place of an entry: numbers in brackets, or a JSON file of them (command line only); the activation is multiplied by it.',
      ),
    ),
    files: v.optional(
      named(
        v.pipe(v.array(v.string()), v.minLength(1)),
        'Files',
        'Text files that are read beside the prompts. Only from the command line.',
      ),
    ),
    tokens: v.optional(named(count, 'Tokens', 'At most this many tokens of the texts; 262144 unless given.')),
    sequenceLength: v.optional(
      named(
        v.pipe(v.number(), v.integer(), v.minValue(2)),
        'Sequence length',
        'Longer texts are cut into sequences of this many tokens; 128, or the context, unless given.',
      ),
    ),
    topK: v.optional(named(count, 'Top examples', 'How many of the largest are kept; 10 unless given.')),
    perBand: v.optional(
      named(whole, 'Lower examples', 'How many are drawn from each part below the maximum; 3 unless given.'),
    ),
  }),
  run: async (model, prompts, { files, direction, ...parameters }, context) =>
    maxActivating(model, corpusOf(prompts, files ?? [], context), {
      ...parameters,
      ...context,
      direction: direction === undefined ? undefined : await readDirection(direction, context),
    }),
  // Between the top and what is typical stands how far apart they are.
  views(values) {
    const { top, lower } = strips(values)
    return [...top, quantileCurve(values), ...lower]
  },
})

async function* corpusOf(
  prompts: readonly PromptJson[],
  files: readonly string[],
  { readFile }: MethodContext,
): AsyncGenerator<CorpusText> {
  for (const [i, text] of prompts.entries()) yield { name: `text ${i + 1}`, text }
  if (files.length === 0) return
  if (!readFile)
    throw new DiopterError('Files cannot be read here; give texts, or use the command line (diopter max-activating).')
  for (const name of files) yield { name, text: decoded(await readFile(name), name) }
}

function decoded(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new DiopterError(`The file ${name} is not UTF-8 text.`)
  }
}

async function readDirection(given: string, { readFile }: MethodContext): Promise<number[]> {
  const inline = given.trimStart().startsWith('[')
  if (!inline && !readFile)
    throw new DiopterError(`The file '${given}' cannot be read here; give the direction's numbers, [0.1, ...].`)
  try {
    const text = inline ? given : decoded(await readFile!(given), given)
    return v.parse(v.array(v.pipe(v.number(), v.finite())), JSON.parse(text))
  } catch (error) {
    if (error instanceof DiopterError) throw error
    throw new DiopterError(`The direction '${given}' is no JSON list of numbers: ${(error as Error).message}`)
  }
}

const placeOf = ({ layer, head, index, hook }: MaxActivatingValues['target']) => ({
  ...(layer === null ? {} : { layer }),
  ...(head === null ? {} : { head }),
  ...(index !== null && hook.endsWith('mlp.hook_post') ? { neuron: index } : {}),
})

function quantileCurve({ target, quantiles, tokens, texts, sampled, sequences }: MaxActivatingValues): ViewSpec {
  const from = sampled < sequences ? `, from ${sampled} of ${sequences} sequences` : ''
  return {
    view: 'curves',
    props: {
      title: `${target.name}: activations at ${tokens} tokens of ${texts} ${texts === 1 ? 'text' : 'texts'}${from}`,
      series: [{ name: 'activation', x: quantiles.map(({ share }) => share), y: quantiles.map(({ value }) => value) }],
      xLabel: 'share of tokens below',
      yLabel: 'activation',
    },
  }
}

/** Tokens that are shown before and behind the activating one. */
const BEFORE = 16
const BEHIND = 4

function strips(values: MaxActivatingValues): { readonly top: ViewSpec[]; readonly lower: ViewSpec[] } {
  const { target, quantiles, top, bands } = values
  const least = Math.min(0, quantiles[0]!.value)
  const most = Math.max(top[0]!.activation, 1e-6)
  const colors =
    least < 0
      ? { scale: 'diverging' as const, domain: [-Math.max(-least, most), Math.max(-least, most)] as const }
      : { scale: 'sequential' as const, domain: [0, most] as const }
  const strip = (example: ActivatingExample, title: string): ViewSpec => {
    const { tokens, activations, position } = example
    const [from, to] = [Math.max(0, position - BEFORE), position + BEHIND + 1]
    return {
      view: 'tokenStrip',
      props: {
        title,
        tokens: tokens.slice(from, to),
        values: activations.slice(from, to),
        valueLabel: `activation of ${target.name}`,
        ...colors,
      },
      places: { all: placeOf(target) },
    }
  }
  const percent = (share: number) => `${Number((100 * share).toFixed(2))} %`
  return {
    top: top.map((example, i) => strip(example, `Top ${i + 1}: ${described(example)}`)),
    lower: bands.flatMap(({ from, to, examples }) =>
      examples.map((example) => strip(example, `${percent(from)} to ${percent(to)}: ${described(example)}`)),
    ),
  }
}

/** `3.214 at " she" (book.txt); " asked she" alone keeps 92 %` */
function described({ activation, tokens, position, key, text, minimal }: ActivatingExample): string {
  const quoted = (list: readonly string[]) => JSON.stringify(list.join(''))
  const at = `${activation.toFixed(3)} at ${quoted([tokens[position]!])}`
  const to = key === null ? '' : `, to ${quoted([tokens[key]!])}`
  const short = minimal && quoted(tokens.slice(minimal.first, position + 1))
  return `${at}${to} (${text})${minimal ? `; ${short} alone keeps ${Math.round(100 * minimal.kept)} %` : ''}`
}
