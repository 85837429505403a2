/**
 * Direct logit attribution: which parts of the model write the answer into the residual stream?
 *
 * Runs: one forward pass. The last residual stream is a sum of what every part wrote, h = sum_c x_c, and with the final
 * norm's scale s held at this run's value the logits are linear in it, so that the logit difference splits into
 *
 *     sum_c ( w * (x_c - mean(x_c)) / s ) . (W_U[answer] - W_U[wrong])   +   a constant of biases
 *
 * (no mean for RMS norms). The parts add up to the measured difference exactly; see the first check.
 *
 * Paper: Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"; Wang et al. 2211.00593.
 *
 * How it misleads: it sees direct effects only. A head that others read from scores nothing; a part that a later layer erases
 * scores anyway, and without a part the others may take over (self-repair, Rushing & Nanda 2402.15390). Removing a part also
 * moves the scale s, which is held here. The checks remove the top parts and run again.
 */
import { DiopterError } from '../errors/index.ts'
import type { Edit, Metric, Model, Prompt, ReadoutContext, TokenizedPrompt } from '../lab/index.ts'
import { concat, full, type Tensor, tensor } from '../tensor/index.ts'
import { atMost, type Check, notTested } from './checks.ts'
import { frozenNorm, frozenNormReads } from './frozen-norm.ts'
import { keepDone } from './keep-done.ts'
import type { MethodOptions } from './options.ts'
import { type AskedMetric, askMetric, type NamedToken, type Question } from './question.ts'
import { type Decomposition, type Piece, residualPieces } from './residual-parts.ts'
import { Meter, type MethodResult } from './result.ts'
import { bootstrapMeans, largestIndices, mean } from './statistics.ts'
import { sweep } from './sweep.ts'

export interface AttributionOptions extends MethodOptions {
  /** `component` unless said. */
  readonly by?: Decomposition
  /** The position whose logits are explained; -1, the last, unless said. */
  readonly position?: number
  /**
   * False leaves the final norm's weight out, as TransformerLens's `logit_attrs` does, which counts on folded norms: for a
   * model whose norm weights are not folded, the parts then do not add up to the logits. True unless said.
   */
  readonly finalNormWeight?: boolean
}

export interface AttributionValues {
  readonly metric: 'logit_difference' | 'logit'
  readonly by: Decomposition
  readonly position: number
  /** Layers and heads of each: the first labels of `head`, `full` and `neuron` are the heads, layer by layer. */
  readonly layers: number
  readonly heads: number
  readonly labels: readonly string[]
  /** One per label, means over questions, in logits. */
  readonly values: readonly number[]
  /** 95% bootstrap intervals of `values`; null for a single question. */
  readonly low: readonly number[] | null
  readonly high: readonly number[] | null
  /** What biases behind the residual stream add. */
  readonly constant: number
  /** The measured logit difference, before a soft cap of the logits. */
  readonly total: number
  readonly questions: readonly {
    readonly prompt: TokenizedPrompt
    readonly answer: NamedToken
    readonly wrong: NamedToken | null
    readonly values: readonly number[]
    readonly constant: number
    readonly total: number
  }[]
}

/** Splits the logit difference (or the answer's logit) of every question over the parts. Throws for a question without an answer. */
export async function directLogitAttribution(
  model: Model,
  questions: readonly Question[],
  options: AttributionOptions = {},
): Promise<MethodResult<AttributionValues>> {
  const { by = 'component', position = -1, seed = 0, signal, edits, prependBos, finalNormWeight = true } = options
  const { config } = model
  const meter = new Meter(model)
  const pieces = residualPieces(config, by, position)
  const asked = questions.map((question) => {
    const metric = askMetric(model, question, question.wrong === undefined ? 'logit' : 'logit_difference')
    return { ...metric, prompt: question.prompt, answer: metric.answer! }
  })
  if (new Set(asked.map(({ name }) => name)).size > 1)
    throw new DiopterError('Some questions have a wrong token and some have none; attributions of the two do not mix.')
  const { results, complete } = await keepDone(asked, 'prompts', options, async (question) => {
    const run = await model.run([question.prompt], {
      edits,
      prependBos,
      signal,
      readout: {
        reads: ['unembed.hook_out', ...readsOf(pieces), ...frozenNormReads(config, 'ln_final')],
        trace: (context) => traceAttribution(context, model, pieces, question, position, finalNormWeight),
      },
    })
    const numbers = (name: string) => Array.from(run.readout[name]![0]!.data as Float32Array)
    const prompt = run.prompts[0]!
    return {
      question: {
        prompt,
        answer: question.answer,
        wrong: question.wrong,
        values: numbers('values'),
        constant: numbers('constant')[0]!,
        total: numbers('total')[0]!,
      },
      provenance: run.provenance,
    }
  })
  const done = results.map(({ question }) => question)
  const intervals =
    done.length > 1
      ? bootstrapMeans(
          done.map(({ values }) => values),
          seed,
        )
      : null
  const labels = pieces.flatMap((piece) => piece.labels)
  const values: AttributionValues = {
    metric: asked[0]!.name === 'logit' ? 'logit' : 'logit_difference',
    by,
    position,
    layers: config.n_layers,
    heads: config.n_heads,
    labels,
    values: labels.map((_, i) => mean(done.map((question) => question.values[i]!))),
    low: intervals?.map(({ low }) => low) ?? null,
    high: intervals?.map(({ high }) => high) ?? null,
    constant: mean(done.map(({ constant }) => constant)),
    total: mean(done.map(({ total }) => total)),
    questions: done,
  }
  const checks = [
    sumCheck(by, done),
    ...(await effectChecks(model, pieces, asked[0]!, done[0]!.values, position, options, meter)),
  ]
  return { values, checks, cost: meter.cost, provenance: results[0]!.provenance, complete }
}

/** The parts of the residual stream themselves. */
export interface ResidualStack {
  readonly prompt: TokenizedPrompt
  readonly labels: readonly string[]
  /** [part, d_model], row-major. */
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/**
 * The residual stream at one position taken apart, per prompt: `decompose_resid`, `accumulated_resid`,
 * `stack_head_results` and `full_resid_decomposition` of TransformerLens. `normalized` centres every part and divides it by
 * the final norm's scale in this run (without the norm's weight), as its `apply_ln_to_stack` does; `accumulated` states are
 * no parts but whole streams, so they go through the final norm itself.
 */
export async function residualStack(
  model: Model,
  prompts: readonly Prompt[],
  by: Decomposition,
  options: Omit<AttributionOptions, 'by' | 'finalNormWeight'> & { readonly normalized?: boolean } = {},
): Promise<ResidualStack[]> {
  const { position = -1, normalized = false, edits, prependBos, signal } = options
  const pieces = residualPieces(model.config, by, position)
  const run = await model.run(prompts, {
    edits,
    prependBos,
    signal,
    readout: {
      reads: [...readsOf(pieces), ...(normalized ? frozenNormReads(model.config, 'ln_final') : [])],
      trace(context) {
        const parts = concat(
          pieces.map((piece) => piece.vectors(context)),
          1,
        )
        if (!normalized) return { parts }
        if (by === 'accumulated') return { parts: context.finalNorm(parts) }
        return { parts: frozenNorm(context, model.config, 'ln_final', position)?.normalize(parts) ?? parts }
      },
    },
  })
  const labels = pieces.flatMap((piece) => piece.labels)
  return run.readout.parts!.map(({ shape, data }, i) => ({
    prompt: run.prompts[i]!,
    labels,
    shape,
    data: data as Float32Array,
  }))
}

const readsOf = (pieces: readonly Piece[]) => pieces.flatMap(({ reads }) => reads)

type Asked = AskedMetric & { readonly prompt: Prompt; readonly answer: NamedToken }

/** One number per part [n, c], the constant [n, 1] and the measured total [n, 1]. */
function traceAttribution(
  context: ReadoutContext,
  model: Model,
  pieces: readonly Piece[],
  { answer, wrong }: Asked,
  position: number,
  finalNormWeight: boolean,
): Record<string, Tensor> {
  const rows = context.prompts.length
  const ids = tensor([answer.id, ...(wrong ? [wrong.id] : [])], undefined, 'int64')
  /** Of the answer, minus that of the wrong token: x [..., V] to [..., 1]. */
  const difference = (x: Tensor) => {
    const chosen = x.gather(ids, x.rank - 1)
    const first = chosen.slice(x.rank - 1, 0, 1)
    return wrong ? first.sub(chosen.slice(x.rank - 1, 1)) : first
  }
  const unembedding = difference(context.weight('unembed.W_U')).transpose().broadcast(rows, model.config.d_model)
  const norm = frozenNorm(context, model.config, 'ln_final', position)
  const direction = norm ? norm.pullBack(unembedding, finalNormWeight) : unembedding
  let constant = full([rows, 1], 0)
  if (norm?.bias) constant = constant.add(unembedding.mul(norm.bias).sum(-1, true))
  if (context.hasWeight('unembed.b_U')) constant = constant.add(difference(context.weight('unembed.b_U').unsqueeze(0)))
  const values = pieces.map((piece) =>
    piece.products ? piece.products(context, direction) : piece.vectors(context).mul(direction.unsqueeze(1)).sum(-1),
  )
  return {
    values: concat(values, 1),
    constant,
    total: difference(context.activation('unembed.hook_out').get(':', position)),
  }
}

function sumCheck(by: Decomposition, questions: AttributionValues['questions']): Check {
  const gaps = questions.map(({ values, constant, total }) => {
    const sum = by === 'accumulated' ? values.at(-1)! : values.reduce((a, b) => a + b, 0)
    return Math.abs(sum + constant - total) / Math.max(1, Math.abs(total))
  })
  return atMost(
    {
      name: by === 'accumulated' ? 'the last state gives the logits' : 'the parts add up to the logits',
      claimed: 'parts and constant differ from the measured value by less than 0.1%',
      why: 'otherwise something is missing from the sum: an edit behind the residual stream, or norm weights that were left out',
    },
    Math.max(...gaps),
    1e-3,
  )
}

const TOP = 3
/** How far the effect of taking a part out of the sum may be from its attribution, as a share of the larger. */
const FROZEN_SCALE_GAP = 0.25
/** How far the effect of a model without the part may be from its attribution. */
const TOTAL_EFFECT_GAP = 0.5

/** What becomes of the first question when its top parts are taken out: of the sum only, and of the whole run. */
async function effectChecks(
  model: Model,
  pieces: readonly Piece[],
  asked: Asked,
  attributions: readonly number[],
  position: number,
  options: AttributionOptions,
  meter: Meter,
): Promise<Check[]> {
  const frozen = {
    name: "holding the final norm's scale changes little",
    claimed: `taking a top part out of the last residual stream, with the scale computed anew, has its attribution as effect, within ${FROZEN_SCALE_GAP * 100}%`,
  }
  const total = {
    name: 'direct effects are total effects',
    claimed: `running without a top part has its attribution as effect, within ${TOTAL_EFFECT_GAP * 100}%`,
  }
  const places = pieces.flatMap((piece) => piece.labels.map((label, index) => ({ piece, label, index })))
  const removable = places.map(({ piece }, i) => (piece.removal ? attributions[i]! : null))
  const top = largestIndices(removable, TOP).map((i) => ({ ...places[i]!, attribution: attributions[i]! }))
  if (top.length === 0) {
    const why = 'states of the stream at several depths are no parts that could be taken out'
    return [notTested(frozen, why), notTested(total, why)]
  }
  const vectors = await vectorsOf(model, top, asked.prompt, options)
  const lastStream = `blocks.${model.config.n_layers - 1}.hook_resid_post`
  const out: Edit[][] = vectors.map((vector) => [
    { hook: lastStream, kind: 'add', value: vector, factor: -1, positions: [position] },
  ])
  const without = top.map(({ piece, index }) => [piece.removal!(index)])
  const metric = atPosition(asked.metric, position)
  const { base, values } = await sweep(model, asked.prompt, [...out, ...without], metric, options, meter)
  const compare = (effects: readonly number[]) => {
    const gaps = top.map(({ attribution }, i) => {
      const effect = base - effects[i]!
      return Math.abs(effect - attribution) / Math.max(Math.abs(effect), Math.abs(attribution), 1e-6)
    })
    const said = top.map(
      ({ label, attribution }, i) => `${label}: ${attribution.toFixed(3)} against ${(base - effects[i]!).toFixed(3)}`,
    )
    return { gap: Math.max(...gaps), said: said.join('; ') }
  }
  const [direct, whole] = [compare(values.slice(0, top.length)), compare(values.slice(top.length))]
  return [
    atMost(
      { ...frozen, why: 'a part that makes up much of the stream also sets the scale that all others are divided by' },
      direct.gap,
      FROZEN_SCALE_GAP,
      direct.said,
    ),
    atMost(
      {
        ...total,
        why: 'where they differ, later layers read this part, erase it, or make up for its absence: the attribution alone does not say how much the model needs it',
      },
      whole.gap,
      TOTAL_EFFECT_GAP,
      whole.said,
    ),
  ]
}

/** What some parts wrote on one prompt, each [d_model]. */
async function vectorsOf(
  model: Model,
  parts: readonly { readonly piece: Piece; readonly index: number }[],
  prompt: Prompt,
  { edits, prependBos, signal }: AttributionOptions,
): Promise<number[][]> {
  const trace = (context: ReadoutContext) => ({
    vectors: concat(
      parts.map(({ piece, index }) => piece.vectors(context, [index])),
      1,
    ),
  })
  const reads = readsOf(parts.map(({ piece }) => piece))
  const { readout } = await model.run([prompt], { edits, prependBos, signal, readout: { reads, trace } })
  const { shape, data } = readout.vectors![0]!
  const size = shape[1]!
  return parts.map((_, i) => Array.from((data as Float32Array).subarray(i * size, (i + 1) * size)))
}

/** A metric of the last position's logits, read at another position. */
function atPosition(metric: Metric, position: number): Metric {
  if (position === -1) return metric
  return {
    ...metric,
    positions: 'all',
    evaluate: (logits, context) => metric.evaluate(logits.get(':', [position]), context),
  }
}
