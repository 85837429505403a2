import type { Model } from '../../lab/index.ts'
import { headDetectors, logitLens } from '../../methods/index.ts'
import { mean } from '../../methods/shared/statistics.ts'
import { kneserNey, ngramLoss } from '../../train/baselines/kneser-ney.ts'
import { curveOf } from '../../train/index.ts'
import { templatedTasks } from '../../train/templates/index.ts'
import { tokenIds } from '../../train/token-ids.ts'
import { renderSvg } from '../../views/index.ts'
import type { ArmContext, ArmResult, Experiment, Measures } from '../experiment.ts'
import { openTrainedModel } from '../trained-model.ts'
import { heldOutLoss } from './held-out-loss.ts'
import { scorePairs } from './score-pairs.ts'

/** The task that a bigram solves as well, so that it says nothing about reading a context. */
const SOLVED_BY_BIGRAMS = 'agreement'
const OPENINGS = ['It was a dark night, and', 'The king said to his daughter,', 'My fellow citizens,']
/** Held-out tokens that the lens reads, as prompts of this many tokens. */
const [LENS_PROMPTS, LENS_LENGTH] = [16, 64]

/** The shipped text model against n-grams, and what of it methods can find. */
export const textModel: Experiment = {
  name: 'text',

  async measure({ engine, run, resources, signal, onProgress }: ArmContext): Promise<Measures> {
    const { config, problem, parameters, log } = run!
    const { corpus, d_vocab, n_ctx } = config.config as { corpus: string; d_vocab: number; n_ctx: number }
    const read = async (name: string) => tokenIds(await resources.readFile(`${corpus}/${name}`), name)
    const [train, heldOut] = await Promise.all([read('train.u16'), read('held-out.u16')])
    const options = { signal, onProgress }
    const baselines = [1, 2, 3, 4].map((order) =>
      ngramLoss(kneserNey(train, { order, vocabularySize: d_vocab, ...options }), heldOut),
    )
    const loss = await heldOutLoss(engine, { ...problem, model: problem.model! }, parameters, heldOut, n_ctx, options)
    const model = await openTrainedModel(problem, parameters, engine)
    try {
      const tasks: Record<string, { solved: number; turned: number; pairs: number }> = {}
      for (const { name, pairs } of templatedTasks) {
        const { solved, turned, pairs: count } = await scorePairs(model, pairs(model.tokenizer!), options)
        tasks[name] = { solved, turned, pairs: count }
      }
      const { values: heads } = await headDetectors(model, [], options)
      const induction = heads.ranking.induction[0]!
      const difficult = Object.entries(tasks).filter(([name]) => name !== SOLVED_BY_BIGRAMS)
      return {
        scalars: {
          heldOutLoss: loss,
          bigramLoss: baselines[1]!,
          kneserNeyLoss: baselines[3]!,
          kneserNeyLossMinusModelLoss: baselines[3]! - loss,
          bestInductionScore: induction.score,
          bestInductionScoreShuffled: induction.shuffled!,
          bestTemplateAccuracy: Math.max(...difficult.map(([, { solved }]) => solved)),
        },
        curves: {
          'training loss': pointsOf(curveOf(log, 'loss')),
          'held-out loss': pointsOf(curveOf(log, 'heldOut/loss')),
          'repeated tokens, first copy': pointsOf(curveOf(log, 'repeated/first')),
          'repeated tokens, second copy': pointsOf(curveOf(log, 'repeated/second')),
        },
        tables: {
          baselines: { unigram: baselines[0], bigram: baselines[1], trigram: baselines[2], '4-gram': baselines[3] },
          tasks,
          heads: Object.fromEntries(Object.entries(heads.ranking).map(([name, ranked]) => [name, ranked.slice(0, 3)])),
          lens: await lensByLayer(model, heldOut, options),
          samples: await samples(model, options),
        },
      }
    } finally {
      await model.dispose()
    }
  },

  figures(results: readonly ArmResult[]) {
    const { curves, scalars } = results[0]!.measures
    const line = (name: string) => ({ name, ...curves[name]! })
    const steps = curves['held-out loss']!.x
    const level = (name: string, value: number) => ({ name, x: [steps[0]!, steps.at(-1)!], y: [value, value] })
    return {
      loss: renderSvg('curves', {
        title: 'Loss of the text model',
        series: [
          line('training loss'),
          line('held-out loss'),
          level('Kneser-Ney 4-gram', scalars.kneserNeyLoss!),
          level('bigram', scalars.bigramLoss!),
        ],
        xLabel: 'step',
        yLabel: 'loss (nats per token)',
      }),
      repeats: renderSvg('curves', {
        title: 'Random tokens that come twice: what only induction predicts',
        series: [line('repeated tokens, first copy'), line('repeated tokens, second copy')],
        xLabel: 'step',
        yLabel: 'loss (nats per token)',
      }),
    }
  },
}

const pointsOf = ({ steps, values }: { steps: readonly number[]; values: readonly number[] }) => ({
  x: steps,
  y: values,
})

/** The logit lens on held-out text: mean KL(final || layer) in nats, by layer. */
async function lensByLayer(model: Model, heldOut: Uint16Array, options: Pick<ArmContext, 'signal' | 'onProgress'>) {
  const stride = Math.floor((heldOut.length - LENS_LENGTH) / LENS_PROMPTS)
  const prompts = Array.from({ length: LENS_PROMPTS }, (_, i) => [
    ...heldOut.subarray(i * stride, i * stride + LENS_LENGTH),
  ])
  const { values } = await logitLens(model, prompts, { topK: 1, ...options })
  return Object.fromEntries(
    values.layers.map((layer, l) => [
      layer,
      mean(values.prompts.flatMap(({ cells }) => cells[l]!.map(({ kl }) => kl))),
    ]),
  )
}

async function samples(model: Model, options: Pick<ArmContext, 'signal' | 'onProgress'>) {
  const { continuations } = await model.generate(OPENINGS, { tokens: 60, temperature: 0.8, seed: 0, ...options })
  return continuations.map(({ text }, i) => OPENINGS[i]! + text)
}
