import * as v from 'valibot'
import { DiopterError } from '../../errors/index.ts'
import { type CausalTraceValues, causalTracing, TOKEN_CLASSES } from '../../methods/index.ts'
import { validate } from '../../runs/validate.ts'
import { curveOf } from '../../train/index.ts'
import { facts } from '../../train/tasks/facts.ts'
import type { ArmContext, Experiment, Finding, Measures } from '../experiment.ts'
import { openTrainedModel } from '../trained-model.ts'
import { isKnown, noiseAccuracy } from './accuracy.ts'
import { figures } from './figures.ts'
import { handOver } from './hand-over.ts'
import { effectsOf, mapsAgree, sitesOf } from './sites.ts'
import { tracedFacts } from './traced-facts.ts'

const armSchema = v.strictObject({
  /** Facts by which accuracy is measured. */
  asked: v.pipe(v.number(), v.integer(), v.minValue(1)),
  /** Facts that are traced: the first ones that the model knows. */
  traced: v.pipe(v.number(), v.integer(), v.minValue(1)),
  /** Standard deviations of the noise, in units of the subjects' embeddings. */
  noise: v.number(),
  draws: v.pipe(v.number(), v.integer(), v.minValue(1)),
})

/** Causal tracing of remembered facts (Meng et al. 2022): is there an early site at the subject's last token, and a late one? */
export const causalTracingExperiment: Experiment = { name: 'causal-tracing', measure, figures }

async function measure({ arm, seed, parameters, engine, run, signal, onProgress }: ArmContext): Promise<Measures> {
  const { asked, traced, noise, draws } = validate(
    armSchema,
    parameters,
    `The parameters of causal-tracing, arm ${arm},`,
  )
  const { problem, config, log } = run!
  const task = validate(facts.schema, config.config, 'The config of the task facts')
  const all = tracedFacts(task, seed, asked)
  const model = await openTrainedModel(problem, run!.parameters, engine)
  try {
    const known = await isKnown(model, all, { signal })
    const prompts = all.filter((_, i) => known[i]).slice(0, traced)
    if (prompts.length === 0)
      throw new DiopterError(`The arm ${arm}, seed ${seed}, knows none of ${asked} facts: there is nothing to trace.`)
    const trace = async (corruption: 'noise' | 'replacement', measured: 'probability' | 'logit_difference') => {
      const { values } = await causalTracing(model, prompts, {
        ...{ corruption, noise, draws, window: 1, severed: true, measure: measured, seed, signal, onProgress },
      })
      return values
    }
    const noisy = await trace('noise', 'probability')
    const replaced = await trace('replacement', 'probability')
    const replacedLogits = await trace('replacement', 'logit_difference')
    const [sites, replacedSites] = [sitesOf(noisy), sitesOf(replaced)]
    const handed = await handOver(model, prompts, replacedSites.earlyLayer, { signal })
    const loss = curveOf(log, 'asked/loss')
    return {
      scalars: {
        cleanAccuracy: known.filter(Boolean).length / known.length,
        noiseAccuracy: await noiseAccuracy(model, prompts, { sigma: noisy.sigma!, draws, seed, signal }),
        traced: prompts.length,
        cleanProbability: noisy.clean.probability,
        noisyProbability: noisy.corrupt.probability,
        totalEffect: noisy.totalEffect.probability,
        replacedTotalEffect: replaced.totalEffect.probability,
        largestEffect: largestEffect(noisy),
        ...sites,
        ...Object.fromEntries(Object.entries(replacedSites).map(([name, value]) => [`replaced.${name}`, value])),
        residualMapsAgree: mapsAgree(noisy, replaced, 'resid'),
        mlpMapsAgree: mapsAgree(noisy, replaced, 'mlp'),
        attentionMapsAgree: mapsAgree(noisy, replaced, 'attn'),
        measuresAgree: mapsAgree(replaced, replacedLogits, 'resid'),
        handOverAttentionCut: 1 - handed.withoutAttention / handed.restored,
        handOverMlpCut: 1 - handed.withoutMlps / handed.restored,
        ownMlpCut: 1 - handed.beforeMlpWithoutMlps / handed.restoredBeforeMlp,
      },
      curves: { loss: { x: loss.steps, y: loss.values } },
      tables: { noise: noisy.traces, replacement: replaced.traces, handed },
      findings: effectRows(noisy),
    }
  } finally {
    await model.dispose()
  }
}

/** The largest effect of a single state at a token before the last, either sign. */
function largestEffect(values: CausalTraceValues): number {
  const effects = TOKEN_CLASSES.slice(0, -1).flatMap((token) => effectsOf(values, 'resid', null, token))
  return Math.max(...effects.filter(Number.isFinite).map(Math.abs))
}

/** The residual stream's map under noise, a row per layer: changes of the answer's probability. */
function effectRows(values: CausalTraceValues): Finding[] {
  const classes = TOKEN_CLASSES.filter((token) => effectsOf(values, 'resid', null, token).every(Number.isFinite))
  return values.layers.map((layer, l) => ({
    layer,
    ...Object.fromEntries(classes.map((token) => [token, effectsOf(values, 'resid', null, token)[l]!.toFixed(2)])),
  }))
}
