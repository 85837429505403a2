import type { WorkOptions } from '../../errors/index.ts'
import type { Edit, Model } from '../../lab/index.ts'
import { permutation, randomSource } from '../../random/index.ts'
import { crossEntropy } from '../../tensor/index.ts'
import { IN_CONTEXT, STRETCHES } from '../../train/tasks/induction/evaluations.ts'
import { type Circuit, type Head, isAmong } from './circuit.ts'

/** Text for measuring: token ids, each prompt as long as the context. */
export interface Texts {
  readonly prompts: readonly (readonly number[])[]
  /** Prompts whose mean activations stand in for what is ablated. */
  readonly reference: readonly (readonly number[])[]
}

/** Prompts in one run of the model. */
const AT_ONCE = 16

/**
 * The in-context-learning score of a model under edits, in nats: the loss of late tokens minus that of early ones, by the
 * places that training logs; negative when the model learns from its context.
 */
export async function inContextScore(
  model: Model,
  prompts: Texts['prompts'],
  edits: readonly Edit[],
  { signal }: WorkOptions = {},
): Promise<number> {
  let sum = 0
  for (let start = 0; start < prompts.length; start += AT_ONCE) {
    const { readout } = await model.run(prompts.slice(start, start + AT_ONCE), {
      signal,
      edits,
      positions: 'none',
      readout: {
        reads: [],
        trace({ logits, tokens }) {
          const [early, late] = [IN_CONTEXT.early, IN_CONTEXT.late].map((stretches) => {
            const [from, to] = stretches.map((one) => (one * model.config.n_ctx) / STRETCHES) as [number, number]
            return crossEntropy(logits.slice(1, from, to), tokens.slice(1, from + 1, to + 1)).mean(-1)
          })
          return { score: late!.sub(early!) }
        },
      },
    })
    for (const { data } of readout.score!) sum += Number(data[0])
  }
  return sum / prompts.length
}

/** Edits that put the mean over the reference text in place of what heads mix. */
export function meanAblation(heads: readonly Head[], { reference }: Texts): Edit[] {
  const layers = [...new Set(heads.map(({ layer }) => layer))]
  return layers.map((layer) => ({
    hook: `blocks.${layer}.attn.hook_z`,
    heads: heads.filter((one) => one.layer === layer).map(({ head }) => head),
    kind: 'mean',
    prompts: reference,
  }))
}

/** Which share of the in-context-learning score goes when heads are ablated: 1 is all of it. */
export interface AblationShares {
  /** The score of the whole model. */
  readonly whole: number
  readonly induction: number
  /** As many other heads, several random sets: heads that neither match prefixes nor attend to the previous token for those that do. */
  readonly others: readonly number[]
  /** The same for heads that do not look two tokens back for induction heads, either. */
  readonly othersButTwoBack: readonly number[]
  readonly twoBack: number
  readonly previousToken: number
  /** The previous-token heads again, with the later layers' attention held as it was: what does not pass through attention. */
  readonly previousTokenPatternsKept: number
}

/**
 * Ablates the heads of the circuit, and others, on text. Sets of other heads are as large as that of the induction heads, or as
 * large as what is left allows.
 */
export async function ablationShares(
  model: Model,
  circuit: Circuit,
  texts: Texts,
  { otherSets, seed, ...options }: WorkOptions & { readonly otherSets: number; readonly seed: number },
): Promise<AblationShares> {
  const { n_layers, n_heads } = model.config
  const whole = await inContextScore(model, texts.prompts, [], options)
  const removed = async (heads: readonly Head[], more: readonly Edit[] = []) =>
    heads.length === 0
      ? Number.NaN
      : 1 - (await inContextScore(model, texts.prompts, [...meanAblation(heads, texts), ...more], options)) / whole
  const all = Array.from({ length: n_layers * n_heads }, (_, i) => ({
    layer: Math.floor(i / n_heads),
    head: i % n_heads,
  }))
  const removedWithout = async (kept: readonly Head[]) => {
    const rest = all.filter((one) => !isAmong(one, kept))
    const shares: number[] = []
    // all that is left is one set
    const sets = rest.length > circuit.induction.length ? otherSets : 1
    for (let set = 0; set < sets; set++) {
      const order = permutation(rest.length, randomSource(seed, 'other heads', set))
      shares.push(await removed([...order.subarray(0, circuit.induction.length)].map((i) => rest[i]!)))
    }
    return shares
  }
  const inCircuit = [...circuit.induction, ...circuit.previousToken]
  const firstReader = Math.min(...circuit.induction.map(({ layer }) => layer))
  return {
    whole,
    induction: await removed(circuit.induction),
    others: await removedWithout(inCircuit),
    othersButTwoBack: await removedWithout([...inCircuit, ...circuit.twoBack]),
    twoBack: await removed(circuit.twoBack),
    previousToken: await removed(circuit.previousToken),
    previousTokenPatternsKept: await removed(
      circuit.previousToken,
      Array.from({ length: n_layers - firstReader }, (_, i) => ({
        hook: `blocks.${firstReader + i}.attn.hook_pattern`,
        kind: 'freeze',
      })),
    ),
  }
}
