import { type CausalTraceValues, TOKEN_CLASSES, type TokenClass, type TraceState } from '../../methods/index.ts'
import { rankCorrelation } from '../../methods/shared/statistics.ts'

/** A site is where a single state brings back this share of the total effect. */
const SITE = 0.5

/** Effects of a map by layer [layers]; NaN for a class that no prompt has. */
export function effectsOf(
  values: CausalTraceValues,
  state: TraceState,
  severed: 'mlp' | 'attn' | null,
  token: TokenClass,
): number[] {
  const trace = values.traces.find((one) => one.state === state && one.severed === severed)!
  const column = TOKEN_CLASSES.indexOf(token)
  const rows = trace.byClass as readonly (readonly (number | null)[])[]
  return rows.map((row) => row[column] ?? Number.NaN)
}

/** The same as shares of the total effect. */
function sharesOf(
  values: CausalTraceValues,
  state: TraceState,
  severed: 'mlp' | 'attn' | null,
  token: TokenClass,
): number[] {
  return effectsOf(values, state, severed, token).map((effect) => effect / values.totalEffect[values.measure])
}

/** The first of these shares that makes a site, or the largest where none does: its layer. */
export function siteLayer(shares: readonly number[]): number {
  const first = shares.findIndex((share) => share >= SITE)
  return first >= 0 ? first : shares.indexOf(Math.max(...shares))
}

/** What a map of causal tracing says of the early and the late site. */
export interface Sites {
  /** The layer of the last subject token's site, in the first half of the layers, and its share of the total effect. */
  readonly earlyLayer: number
  readonly earlyShare: number
  /** The largest share (either sign) of the first subject token in the second half of the layers. */
  readonly firstNameLate: number
  /** The layer of the last token's site. */
  readonly lateLayer: number
  readonly lateShare: number
  /** Which share of a site's effect is lost when later MLP, or attention layers stay as corrupted at its token. */
  readonly mlpCutEarly: number
  readonly attentionCutEarly: number
  readonly mlpCutLate: number
  readonly attentionCutLate: number
}

/** Finds the sites of a traced map of the residual stream, severed maps included. */
export function sitesOf(values: CausalTraceValues): Sites {
  const half = Math.ceil(values.layers.length / 2)
  const subject = sharesOf(values, 'resid', null, 'last subject token')
  const last = sharesOf(values, 'resid', null, 'last token')
  const [earlyLayer, lateLayer] = [siteLayer(subject.slice(0, half)), siteLayer(last)]
  const cut = (severed: 'mlp' | 'attn', token: TokenClass, layer: number, whole: readonly number[]) =>
    1 - sharesOf(values, 'resid', severed, token)[layer]! / whole[layer]!
  return {
    earlyLayer,
    earlyShare: Math.max(...subject.slice(0, half)),
    firstNameLate: Math.max(...sharesOf(values, 'resid', null, 'first subject token').slice(half).map(Math.abs)),
    lateLayer,
    lateShare: last[lateLayer]!,
    mlpCutEarly: cut('mlp', 'last subject token', earlyLayer, subject),
    attentionCutEarly: cut('attn', 'last subject token', earlyLayer, subject),
    mlpCutLate: cut('mlp', 'last token', lateLayer, last),
    attentionCutLate: cut('attn', 'last token', lateLayer, last),
  }
}

/** The rank correlation of two traced maps of one state over layers and classes of tokens. */
export function mapsAgree(one: CausalTraceValues, other: CausalTraceValues, state: TraceState): number {
  const effects = (values: CausalTraceValues) =>
    TOKEN_CLASSES.flatMap((token) => effectsOf(values, state, null, token)).filter(Number.isFinite)
  return rankCorrelation(effects(one), effects(other))
}
