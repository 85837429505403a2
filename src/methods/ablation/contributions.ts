import { DiopterError } from '../../errors/index.ts'
import type { Edit, EditFunction, Model, ReadoutContext, TokenizedPrompt } from '../../lab/index.ts'
import type { ModelConfig } from '../../models/index.ts'
import { full, type Tensor, tensor } from '../../tensor/index.ts'
import { answerDifference, answerDirection, pieceProducts } from '../direct-attribution/answer-direction.ts'
import { frozenNormReads } from '../direct-attribution/frozen-norm.ts'
import { type Piece, readsOf, residualPieces } from '../direct-attribution/residual-parts.ts'
import type { MethodOptions } from '../shared/options.ts'
import { withTracedEdits } from '../shared/own-edits.ts'
import { askMetric, type MetricName, type NamedToken, type Question } from '../shared/question.ts'
import type { Meter } from '../shared/result.ts'

/** A prompt with an answer, as the model reads it. */
export interface AnsweredQuestion {
  readonly prompt: TokenizedPrompt
  readonly answer: NamedToken
  readonly wrong: NamedToken | null
  readonly name: MetricName
  readonly metric: ReturnType<typeof askMetric>['metric']
}

/** The questions with their tokens. Throws where one has no answer, or only some have a wrong token. */
export function answeredQuestions(
  model: Model,
  questions: readonly Question[],
  prependBos: boolean | undefined,
): AnsweredQuestion[] {
  const asked = questions.map((question) => {
    if (question.answer === undefined)
      throw new DiopterError(
        'What parts write is measured in the logit of an answer: give every question its `answer` token (and `wrong`, for the difference of two logits).',
      )
    const { name, metric, answer, wrong } = askMetric(
      model,
      question,
      question.wrong === undefined ? 'logit' : 'logit_difference',
    )
    return { prompt: model.tokenize(question.prompt, prependBos), answer: answer!, wrong, name, metric }
  })
  if (new Set(asked.map(({ name }) => name)).size > 1)
    throw new DiopterError('Some questions have a wrong token and some have none; effects on the two do not mix.')
  return asked
}

/** What every component writes into the logit difference of one run, with the final norm's scale held at the whole run's. */
export interface Contributions {
  /** One per component: those of heads, MLP layers, embeddings and attention biases. */
  readonly values: readonly number[]
  /** The final norm's scale over the whole run's. */
  readonly scale: number
  /** The logit difference itself, before a soft cap. */
  readonly total: number
}

/** The whole run, and what its components' outputs have to be multiplied with. */
export interface WholeRun extends Omit<Contributions, 'scale'> {
  readonly components: readonly string[]
  /** The final norm's scale. */
  readonly scale: number
  /** [d_model] */
  readonly direction: Float32Array
}

/** Components are named as parts are: `L0H1`, `L0MLP`; `embed`, `pos_embed` and `bias` besides. */
const componentName = (label: string): string => label.replace(/^(\d+)_mlp_out$/, 'L$1MLP')

const LAST = -1

/** Runs a question whole. */
export async function wholeRun(
  model: Model,
  question: AnsweredQuestion,
  { edits, signal }: MethodOptions,
  meter: Meter,
): Promise<WholeRun> {
  const { config } = model
  const pieces = residualPieces(config, 'full', LAST)
  const { readout } = await meter.run([question.prompt.ids], {
    edits,
    signal,
    readout: {
      reads: readsHere(config, pieces),
      trace(context) {
        const { direction } = answerDirection(context, config, question, LAST)
        return { ...traceContributions(context, config, pieces, direction, question), direction }
      },
    },
  })
  const numbers = (name: string) => Array.from(readout[name]![0]!.data as Float32Array)
  return {
    components: pieces.flatMap(({ labels }) => labels.map(componentName)),
    values: numbers('values'),
    scale: numbers('scale')[0]!,
    total: numbers('total')[0]!,
    direction: readout.direction![0]!.data as Float32Array,
  }
}

/** Runs a question once per edit, all in one batch: what every component then writes. Edits of one hook share their values. */
export async function contributionsWithout(
  model: Model,
  question: AnsweredQuestion,
  whole: WholeRun,
  rows: readonly Edit[],
  { edits = [], signal }: MethodOptions,
  meter: Meter,
): Promise<Contributions[]> {
  const { config } = model
  const pieces = residualPieces(config, 'full', LAST)
  const hooks = [...new Set(rows.map(({ hook }) => hook))]
  const replaced = new Map(hooks.map((hook) => [hook, replacedInRows(rows, hook)] as const))
  const { readout } = await model.run(
    rows.map(() => question.prompt.ids),
    {
      edits: withTracedEdits(model, edits, replaced),
      signal,
      readout: {
        reads: readsHere(config, pieces),
        trace(context) {
          const direction = tensor(whole.direction, [1, config.d_model]).broadcast(
            context.prompts.length,
            config.d_model,
          )
          return traceContributions(context, config, pieces, direction, question)
        },
      },
    },
  )
  meter.addVariants(rows.length, edits)
  const number = (name: string, row: number) => Number(readout[name]![row]!.data[0])
  return rows.map((_, row) => ({
    values: Array.from(readout.values![row]!.data as Float32Array),
    scale: number('scale', row) / whole.scale,
    total: number('total', row),
  }))
}

/** Memory for a batch of rows. */
const BYTES = 256 * 1024 ** 2

/** How many rows of a prompt of `length` tokens fit into a batch: their residual streams, neurons, scores and logits. */
export function rowsThatFit({ d_model, d_mlp, n_heads, d_vocab }: ModelConfig, length: number): number {
  const token = 8 * d_model + 3 * d_mlp + 3 * n_heads * length
  return Math.max(1, Math.floor(BYTES / (4 * (length * token + 3 * d_vocab))))
}

function readsHere(config: ModelConfig, pieces: readonly Piece[]): string[] {
  return ['unembed.hook_out', ...readsOf(pieces), ...frozenNormReads(config, 'ln_final')]
}

/** One number per component [n, c], the final norm's scale [n, 1] and the measured total [n, 1]. */
function traceContributions(
  context: ReadoutContext,
  config: ModelConfig,
  pieces: readonly Piece[],
  direction: Tensor,
  question: AnsweredQuestion,
): Record<string, Tensor> {
  const [scaleHook] = frozenNormReads(config, 'ln_final')
  return {
    values: pieceProducts(context, pieces, direction),
    scale: scaleHook ? context.activation(scaleHook).get(':', LAST) : full([context.prompts.length, 1], 1),
    total: answerDifference(context.activation('unembed.hook_out').get(':', LAST), question),
  }
}

/** The edit of a hook at which every row replaces what is its own: [n, P, d] or [n, P, H, dh]. */
function replacedInRows(rows: readonly Edit[], hook: string): EditFunction {
  const own = rows.flatMap((edit, row) => (edit.hook === hook ? [{ edit, row }] : []))
  const [{ edit: first }] = own as [(typeof own)[0]]
  return (x, { prompts }) => {
    const [count, length, heads] = [x.shape[0]!, x.shape[1]!, x.rank === 4 ? x.shape[2]! : 1]
    const mask = new Uint8Array(count * length * heads)
    for (const { edit, row } of own) {
      const at = prompts.indexOf(row)
      const positions = edit.positions?.map((p) => (p < 0 ? p + length : p))
      for (const p of positions ?? Array.from({ length }, (_, i) => i))
        for (const head of edit.heads ?? Array.from({ length: heads }, (_, h) => h))
          mask[(at * length + p) * heads + head] = 1
    }
    const shape = x.rank === 4 ? [count, length, heads, 1] : [count, length, 1]
    const value =
      first.kind === 'replace' && typeof first.value === 'object' && 'data' in first.value
        ? tensor(first.value.data as Float32Array, first.value.shape)
        : full([1], 0)
    return tensor(mask, shape, 'bool').where(value.broadcast(...x.shape), x)
  }
}
