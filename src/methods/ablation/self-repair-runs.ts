import type { Model } from '../../lab/index.ts'
import type { ModelConfig } from '../../models/index.ts'
import { unlessCancelled } from '../shared/keep-done.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { Meter } from '../shared/result.ts'
import { mean } from '../shared/statistics.ts'
import { type AblationKind, ablatedParts, type Part, type PartOptions } from './ablation-parts.ts'
import type { AblationSource } from './ablation-source.ts'
import {
  type AnsweredQuestion,
  type Contributions,
  contributionsWithout,
  rowsThatFit,
  type WholeRun,
  wholeRun,
} from './contributions.ts'

/** What becomes of the logit difference without a part; means over draws. */
export interface Repair {
  /** The change of what the part itself writes, with the final norm's scale held. */
  readonly direct: number
  /** The change of what every component writes, the part itself included, with the scale held. */
  readonly changes: readonly number[]
  /** What the change of the final norm's scale adds. */
  readonly norm: number
  /** The change of the logit difference itself. */
  readonly total: number
}

/** All parts of a question. */
export interface Repairs {
  readonly question: AnsweredQuestion
  readonly source: AblationSource
  readonly whole: WholeRun
  /** Null where a cancelled run did not come. */
  readonly parts: readonly (Repair | null)[]
  readonly complete: boolean
}

/** Ablates every part of a question and reads off what all components then write. */
export async function repairs(
  model: Model,
  question: AnsweredQuestion,
  source: AblationSource,
  parts: readonly Part[],
  kind: AblationKind,
  options: MethodOptions,
  meter: Meter,
  onPart?: (part: Repairs) => void,
): Promise<Repairs> {
  const whole = await wholeRun(model, question, options, meter)
  const found = new Array<Repair | null>(parts.length).fill(null)
  const draws = kind === 'resample' ? source.resampled.length : 1
  const length = question.prompt.ids.length
  const fitting = rowsThatFit(model.config, length)
  // Somebody who follows gets a few results on the way.
  const perBatch = onPart ? Math.min(fitting, Math.max(1, Math.ceil(parts.length / 4))) : fitting
  const batch = async (from: number) => {
    const chunk = parts.slice(from, from + perBatch)
    const runs: Contributions[][] = []
    for (let draw = 0; draw < draws; draw++) {
      const rows = chunk.map((part) => source.draws(part, kind)[draw]!)
      runs.push(await contributionsWithout(model, question, whole, rows, options, meter))
    }
    chunk.forEach((part, i) => {
      found[from + i] = repairOf(
        whole,
        part,
        runs.map((rows) => rows[i]!),
      )
    })
  }
  for (let from = 0; from < parts.length; from += perBatch) {
    // Without any batch there is nothing to keep, and the abort goes on.
    const done = async () => {
      await batch(from)
      return true
    }
    if (!(from === 0 ? await done() : await unlessCancelled(options.signal, done)))
      return { question, source, whole, parts: found, complete: false }
    const reached = Math.min(parts.length, from + perBatch)
    options.onProgress?.({ phase: 'ablating', done: reached, total: parts.length, unit: 'parts' })
    if (reached < parts.length) onPart?.({ question, source, whole, parts: [...found], complete: false })
  }
  return { question, source, whole, parts: found, complete: true }
}

/** Parts that are components of the residual stream's sum; `all` are heads and MLP layers. */
export const COMPONENT_WHATS = ['head', 'mlp', 'all'] as const
/** One of `COMPONENT_WHATS`. */
export type ComponentWhat = (typeof COMPONENT_WHATS)[number]

/** The parts that the options choose, layer by layer. Throws for those that the model does not have. */
export function componentParts(
  config: ModelConfig,
  { what, ...options }: Omit<PartOptions, 'what'> & { readonly what: ComponentWhat },
): { readonly list: readonly Part[]; readonly hooks: readonly string[] } {
  if (what !== 'all') return ablatedParts(config, { ...options, what })
  const { heads: _, ...layersOnly } = options
  const kinds = [
    ablatedParts(config, { ...options, what: 'head' }),
    ...(config.attn_only ? [] : [ablatedParts(config, { ...layersOnly, what: 'mlp' })]),
  ]
  const list = kinds.flatMap((kind) => kind.list).sort((a, b) => a.layer - b.layer)
  return { list, hooks: kinds.flatMap(({ hooks }) => hooks) }
}

/** The name under which a part is a component. */
export function componentOf({ label, layer }: Part): string {
  return label.startsWith('mlp') ? `L${layer}MLP` : label
}

function repairOf(whole: WholeRun, part: Part, draws: readonly Contributions[]): Repair {
  const changes = whole.values.map((value, c) => mean(draws.map(({ values }) => values[c]!)) - value)
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
  return {
    direct: changes[whole.components.indexOf(componentOf(part))]!,
    changes,
    norm: mean(draws.map(({ values, scale }) => sum(values) * (1 / scale - 1))),
    total: mean(draws.map(({ total }) => total)) - whole.total,
  }
}
