import { DiopterError } from '../../errors/index.ts'
import { type RandomSource, randomSource } from '../../random/index.ts'
import type { CircuitPlan } from './circuit.ts'
import type { CompiledModel, InstanceOptions, Truth } from './compiled-model.ts'
import type { Edge, Part, Via } from './parts.ts'
import { type PlacedCircuit, placeCircuit } from './place.ts'
import { NORM_EPSILON } from './reference.ts'
import { circuitWeights } from './weights.ts'

/** Ids of a plan's own tokens, before their places in the vocabulary are drawn. */
export type PlanIds = readonly number[]

/** A role of the plan, or an MLP layer by its name. */
export type Role = string

/** A prompt with the token that the model answers, and one that it does not, in a plan's own ids. */
export interface PlanQuestion {
  readonly ids: PlanIds
  readonly answer: number
  readonly wrong: number
}

/** Two prompts in a plan's own ids; see `CompiledPair`. */
export interface PlanPair {
  readonly clean: PlanIds
  readonly corrupt: PlanIds
  readonly answer: number
  readonly wrong: number
  readonly changes: string
}

/** What a family says about one instance, in roles and its own token ids. */
export interface Draft {
  readonly circuit: CircuitPlan
  /** Every input, where they are few; otherwise they are drawn. */
  readonly inputs: readonly PlanIds[] | ((random: RandomSource) => PlanIds)
  readonly questions: readonly PlanQuestion[]
  readonly pairs: readonly PlanPair[]
  answer(ids: PlanIds): number | null
  readonly matters: readonly Role[]
  readonly edges: readonly RoleEdge[]
  readonly compensation?: readonly { readonly lost: Role; readonly by: Role; readonly edges: readonly RoleEdge[] }[]
  /** Directions of one layer's neurons, by role. */
  readonly directions?: readonly {
    readonly name: string
    readonly layer: number
    readonly neurons: Readonly<Record<Role, number>>
  }[]
  readonly hypotheses?: readonly {
    readonly dependsOn: readonly Role[]
    readonly tokens?: readonly number[]
    readonly holds: boolean
  }[]
  readonly facts?: Readonly<Record<string, number>>
}

/** An edge in roles: from, to, via. */
export type RoleEdge = readonly [from: Role, to: Role, via: Via]

/** One kind of compiled model. */
export interface CompiledFamily {
  readonly name: string
  readonly description: string
  /** Methods that its mechanism misleads; empty for models that are as they seem. */
  readonly misleads: readonly string[]
  /** Draws an instance; its random numbers must not depend on `mislead`, so that neighbours match. */
  draft(random: RandomSource, mislead: number): Draft
}

/** Builds one instance of a family. The same options give the same model on every machine. Throws for `mislead` outside 0..1. */
export function compileFamily(family: CompiledFamily, { seed = 0, mislead = 1 }: InstanceOptions = {}): CompiledModel {
  if (!(mislead >= 0 && mislead <= 1))
    throw new DiopterError(`mislead is ${mislead}; it is a share of the family's mechanism, from 0 to 1.`)
  const draft = family.draft(randomSource(seed, family.name), mislead)
  const placed = placeCircuit(draft.circuit, seed)
  const { circuit, ids } = placed
  const toOwn = (list: PlanIds) => list.map((id) => ids[id]!)
  const fromOwn = (list: readonly number[]) => list.map((id) => ids.indexOf(id))
  return {
    name: `${family.name}, seed ${seed}, mislead ${mislead}`,
    family: family.name,
    description: family.description,
    seed,
    mislead,
    tokens: circuit.tokens,
    config: configFields(placed),
    weights: circuitWeights(circuit, seed),
    questions: draft.questions.map((one) => ({
      ids: toOwn(one.ids),
      answer: ids[one.answer]!,
      wrong: ids[one.wrong]!,
    })),
    pairs: draft.pairs.map((pair) => ({
      clean: toOwn(pair.clean),
      corrupt: toOwn(pair.corrupt),
      answer: ids[pair.answer]!,
      wrong: ids[pair.wrong]!,
      changes: pair.changes,
    })),
    truth: truthOf(draft, placed),
    circuit,
    inputs(count) {
      const { inputs } = draft
      if (typeof inputs === 'function')
        return Array.from({ length: count }, (_, i) => toOwn(inputs(randomSource(seed, 'input', i))))
      if (inputs.length <= count) return inputs.map(toOwn)
      const random = randomSource(seed, 'inputs')
      return Array.from({ length: count }, () => toOwn(inputs[random.integer(inputs.length)]!))
    },
    answer(prompt) {
      const own = draft.answer(fromOwn(prompt))
      return own === null ? null : ids[own]!
    },
  }
}

function configFields({ circuit }: PlacedCircuit): Record<string, unknown> {
  const { layers, embedding, positions, unembedding, norm, headSize } = circuit
  const mlp = layers[0]!.mlp
  return {
    n_layers: layers.length,
    d_model: embedding.columns,
    n_heads: layers[0]!.heads.length,
    d_head: headSize,
    n_ctx: positions.rows,
    d_vocab: embedding.rows,
    d_vocab_out: unembedding.columns,
    use_attn_scale: false,
    attn_only: mlp === null,
    ...(mlp ? { d_mlp: mlp.writes.rows, act_fn: 'relu' } : {}),
    ...(norm ? { normalization_type: `${norm}Pre`, eps: NORM_EPSILON } : {}),
  }
}

function truthOf(draft: Draft, { circuit, parts }: PlacedCircuit): Truth {
  const partOf = (role: Role): Part => {
    const part = parts.get(role) ?? (/^L\d+MLP$/.test(role) ? (role as Part) : undefined)
    if (!part)
      throw new DiopterError(`No head or neuron has the role '${role}'; there are ${[...parts.keys()].join(', ')}.`)
    return part
  }
  const edgeOf = ([from, to, via]: RoleEdge): Edge => ({
    from: from === 'embed' ? from : partOf(from),
    to: to === 'logits' ? to : partOf(to),
    via,
  })
  return {
    roles: Object.fromEntries([...parts].map(([role, part]) => [part, role])),
    matters: draft.matters.map(partOf),
    edges: draft.edges.map(edgeOf),
    compensation: (draft.compensation ?? []).map(({ lost, by, edges }) => ({
      lost: partOf(lost),
      by: partOf(by),
      edges: edges.map(edgeOf),
    })),
    directions: (draft.directions ?? []).map(({ name, layer, neurons }) => {
      const vector = new Array<number>(circuit.layers[layer]!.mlp!.writes.rows).fill(0)
      for (const [role, value] of Object.entries(neurons)) vector[Number(/\d+$/.exec(partOf(role))![0])] = value
      return { name, hook: `blocks.${layer}.mlp.hook_post`, vector: unitLength(vector) }
    }),
    hypotheses: (draft.hypotheses ?? []).map(({ dependsOn, ...said }) => ({
      dependsOn: dependsOn.map(partOf),
      ...said,
    })),
    facts: draft.facts ?? {},
  }
}

function unitLength(vector: readonly number[]): number[] {
  const length = Math.hypot(...vector)
  return vector.map((x) => x / length)
}
