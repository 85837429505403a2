import type {
  AttributionPatchValues,
  Direction,
  EdgeAttributionValues,
  Nested,
  PatchValues,
  PathPatchValues,
} from '../../methods/index.ts'
import {
  type CompiledModel,
  type CompiledPair,
  changesAnswer,
  edgeName,
  MATTERS_FROM,
  type PartEffect,
  trueEdges,
  trueEffects,
} from '../../models/compiled/index.ts'
import { type Claim, type MethodClaims, meanOf, type TruthRun } from './claims.ts'

// What methods on pairs of prompts claim: parts (activation and attribution patching) and edges (path patching, edge attribution).

/** Pairs of one kind of corruption that a method is given at once. */
const PAIRS = 4

/** A compiled model's pairs by what is changed in them, the first of each kind, as a model with no others. */
export function byCorruption(compiled: CompiledModel): CompiledModel[] {
  const kinds = [...new Set(compiled.pairs.map(({ changes }) => changes))]
  return kinds.map((kind) => ({
    ...compiled,
    pairs: compiled.pairs.filter(({ changes }) => changes === kind).slice(0, PAIRS),
  }))
}

/** Pairs as a spec has them. */
export function pairPrompts(pairs: readonly CompiledPair[]) {
  return pairs.map(({ clean, corrupt, answer, wrong }) => ({ clean: [...clean], corrupt: [...corrupt], answer, wrong }))
}

/** Claims from shares of the difference between two runs: those from `MATTERS_FROM` on. */
export function claimsFrom(shares: readonly (readonly [name: string, share: number | null])[]): Claim[] {
  return shares.flatMap(([name, share]) => (share !== null && Math.abs(share) >= MATTERS_FROM ? [{ name, share }] : []))
}

/** What is true of parts or edges: those that matter in either direction, with their mean share in the one that is shown. */
function truthOf<Effect extends Pick<PartEffect, 'noising' | 'denoising'>>(
  effects: readonly Effect[],
  nameOf: (effect: Effect) => string,
  direction: Direction,
): Claim[] {
  return effects.filter(changesAnswer).map((effect) => ({
    name: nameOf(effect),
    share: meanOf(direction === 'corrupted_into_clean' ? effect.noising : effect.denoising),
  }))
}

type Asked = Readonly<Record<string, unknown>>

const directionOf = ({ direction }: Asked) => (direction ?? 'clean_into_corrupted') as Direction

const TRUE_PARTS =
  'parts that change the answer of some pair when patched alone, in either direction (every one is tried, exactly)'
const TRUE_EDGES =
  'edges that change the answer of some pair when patched alone, in either direction (every one is tried, exactly)'
const SHOWN = `from ${100 * MATTERS_FROM} % of the difference between the two runs on, in the direction that is shown`

type Cells = Pick<PatchValues | AttributionPatchValues, 'axes' | 'direction'>

/** Heads by `z` and MLP layers by what they write, for every kind of corruption. */
function partRuns<Values extends Cells>(
  compiled: CompiledModel,
  asked: Asked,
  sharesOf: (values: Values) => Nested,
): TruthRun<Values>[] {
  return byCorruption(compiled).flatMap((group): TruthRun<Values>[] => {
    const effects = trueEffects(group)
    const prompts = pairPrompts(group.pairs)
    const isHead = ({ part }: PartEffect) => part.includes('H')
    const truth = (heads: boolean) =>
      truthOf(
        effects.filter((effect) => isHead(effect) === heads),
        ({ part }) => part,
        directionOf(asked),
      )
    const heads: TruthRun<Values> = {
      prompts,
      parameters: { what: 'z', by: 'head' },
      truth: truth(true),
      read: (values) =>
        claimsFrom(
          sharesOf(values).flatMap((row, l) =>
            (row as readonly (number | null)[]).map((x, h) => [`L${l}H${h}`, x] as const),
          ),
        ),
    }
    const mlps: TruthRun<Values> = {
      prompts,
      parameters: { what: 'mlp_out', by: 'layer' },
      truth: truth(false),
      read: (values) => claimsFrom(sharesOf(values).map((x, l) => [`L${l}MLP`, x as number | null])),
    }
    return compiled.config.attn_only ? [heads] : [heads, mlps]
  })
}

/** What activation patching claims. */
export const patchClaims: MethodClaims<PatchValues> = {
  claims: `heads (z) and MLP layers whose patch restores ${SHOWN}`,
  truth: TRUE_PARTS,
  runs: (compiled, asked) =>
    partRuns(compiled, asked, ({ direction, normalised }) =>
      direction === 'clean_into_corrupted' ? normalised : mapped(normalised, (x) => 1 - x),
    ),
}

/** What attribution patching claims. */
export const attributionPatchClaims: MethodClaims<AttributionPatchValues> = {
  claims: `heads (z) and MLP layers whose estimated effect is ${SHOWN}`,
  truth: TRUE_PARTS,
  runs: (compiled, asked) => partRuns<AttributionPatchValues>(compiled, asked, sharesOfEstimates),
}

/** Estimated changes of the metric as shares of the difference between source and target. */
function sharesOfEstimates({
  values,
  direction,
  clean,
  corrupt,
}: Pick<AttributionPatchValues, 'values' | 'direction' | 'clean' | 'corrupt'>): Nested {
  const difference = direction === 'clean_into_corrupted' ? clean - corrupt : corrupt - clean
  return mapped(values, (x) => x / difference)
}

function mapped(values: Nested, change: (x: number) => number): Nested {
  return values.map((x) => (x === null ? null : typeof x === 'number' ? change(x) : mapped(x, change)))
}

type Edges = Pick<PathPatchValues | EdgeAttributionValues, 'senders' | 'receivers'>

/** All edges, for every kind of corruption. */
function edgeRuns<Values extends Edges>(
  compiled: CompiledModel,
  asked: Asked,
  parameters: Asked,
  sharesOf: (values: Values) => Nested,
): TruthRun<Values>[] {
  return byCorruption(compiled).map((group) => ({
    prompts: pairPrompts(group.pairs),
    parameters,
    truth: truthOf(trueEdges(group), ({ edge }) => edgeName(edge), directionOf(asked)),
    read: (values) =>
      claimsFrom(
        sharesOf(values).flatMap((row, s) =>
          (row as readonly (number | null)[]).map((x, r) => {
            const receiver = values.receivers[r]!
            return [`${values.senders[s]}->${receiver}${receiver.includes('.') ? '' : '.in'}`, x] as const
          }),
        ),
      ),
  }))
}

/** What path patching claims. */
export const pathPatchClaims: MethodClaims<PathPatchValues> = {
  claims: `edges whose patch restores ${SHOWN}`,
  truth: TRUE_EDGES,
  runs: (compiled, asked) => edgeRuns(compiled, asked, { receivers: ['all'] }, ({ shares }) => shares),
}

/** What edge attribution claims. */
export const edgeAttributionClaims: MethodClaims<EdgeAttributionValues> = {
  claims: `edges whose estimated effect is ${SHOWN}`,
  truth: TRUE_EDGES,
  runs: (compiled, asked) => edgeRuns<EdgeAttributionValues>(compiled, asked, {}, sharesOfEstimates),
}
