import { DiopterError, throwIfAborted, type WorkOptions } from '../errors/index.ts'
import type { ModelConfig } from '../models/index.ts'
import { sizeOf } from '../tensor/index.ts'
import type { Activation } from './arrays.ts'
import { type Comparison, evaluate, type Numbers, RUN_TOLERANCE, type VerificationCheck } from './comparison.ts'
import type { Model } from './model.ts'
import type { Provenance } from './provenance.ts'
import { randomStream } from './sampling.ts'
import {
  batchParity,
  cacheParity,
  paddingParity,
  residentParity,
  residualIdentities,
  type TokenRows,
} from './self-checks.ts'

/** What another implementation computed for the same tokens. */
export interface ExpectedArray {
  readonly shape: readonly number[]
  readonly data: ArrayLike<number>
}

/** What a model is held against. */
export interface VerifyOptions extends WorkOptions {
  /** Prompts of one length as token ids; `verificationTokens` unless given. */
  readonly tokens?: readonly (readonly number[])[]
  /**
   * Outputs of another implementation for `tokens`, whichever of these there are: `logits` [batch, position, vocabulary],
   * `hidden_states` [layers + 1, batch, position, d_model] (the last one after the final norm) and `attentions`
   * [layers, batch, heads, query, key]. Without any, the model is held against itself.
   */
  readonly expected?: ReadonlyMap<string, ExpectedArray>
}

/** How far a model agrees, check by check. */
export interface Verification {
  readonly ok: boolean
  /** Whether the numbers were held against another implementation's (`reference`) or the model against itself (`self`). */
  readonly against: 'reference' | 'self'
  /** The largest difference by name of the expected array; null where it was not given. */
  readonly maxAbsLogits: number | null
  readonly maxAbsHiddenStates: number | null
  readonly maxAbsAttentions: number | null
  readonly checks: readonly VerificationCheck[]
  readonly provenance: Provenance
}

const NAMES = ['logits', 'hidden_states', 'attentions'] as const

/**
 * Holds a model against what another implementation computed or, without that, against itself: padded batches, batches
 * and cached decoding must give the numbers of single runs, resident weights those of weights as inputs. The residual
 * identities are checked either way.
 * Throws when `expected` holds none of the three arrays, or one of another shape than this model has.
 */
export async function verifyModel(model: Model, options: VerifyOptions = {}): Promise<Verification> {
  const { tokens = verificationTokens(model.config), expected, signal, onProgress } = options
  checkTokens(tokens)
  const steps: readonly ((model: Model, tokens: TokenRows, options: VerifyOptions) => Promise<Comparison[]>)[] =
    expected
      ? [againstReference, residualIdentities]
      : [residualIdentities, paddingParity, batchParity, residentParity, cacheParity]
  const checks: VerificationCheck[] = []
  for (const [done, step] of steps.entries()) {
    throwIfAborted(signal)
    onProgress?.({ phase: 'verifying', done, total: steps.length, unit: 'checks' })
    for (const comparison of await step(model, tokens, options)) checks.push(evaluate(comparison))
  }
  const measured = (name: string) => checks.find((check) => check.name === name)?.maxAbs ?? null
  return {
    ok: checks.every(({ ok }) => ok),
    against: expected ? 'reference' : 'self',
    maxAbsLogits: measured('logits'),
    maxAbsHiddenStates: measured('hidden_states'),
    maxAbsAttentions: measured('attentions'),
    checks,
    provenance: model.provenance({ prompts: tokens.map((ids) => model.tokenize(ids)) }),
  }
}

/** Two prompts of random token ids, the same for every call: what is verified when nothing else is given. */
export function verificationTokens({ n_ctx, d_vocab }: Pick<ModelConfig, 'n_ctx' | 'd_vocab'>): number[][] {
  const random = randomStream(1)
  const length = Math.min(12, n_ctx)
  return [0, 1].map(() => Array.from({ length }, () => Math.floor(random() * d_vocab)))
}

function checkTokens(tokens: TokenRows): void {
  const lengths = new Set(tokens.map((row) => row.length))
  if (lengths.size !== 1 || lengths.has(0))
    throw new DiopterError(
      `Verification needs prompts of one length, at least one token; these have ${[...lengths].join(', ') || 'no'} tokens.`,
    )
}

async function againstReference(
  model: Model,
  tokens: TokenRows,
  { expected, signal }: VerifyOptions,
): Promise<Comparison[]> {
  const given = NAMES.filter((name) => expected!.has(name))
  if (given.length === 0)
    throw new DiopterError(
      `There is nothing to compare with: none of ${NAMES.join(', ')} is given, only ${[...expected!.keys()].join(', ') || 'nothing'}.`,
    )
  const layers = Array.from({ length: model.config.n_layers }, (_, layer) => layer)
  const hidden = [...layers.map((layer) => `blocks.${layer}.hook_resid_pre`), 'unembed.hook_in']
  const patterns = layers.map((layer) => `blocks.${layer}.attn.hook_pattern`)
  const { logits, captures } = await model.run(tokens, {
    positions: 'all',
    capture: [...(expected!.has('hidden_states') ? hidden : []), ...(expected!.has('attentions') ? patterns : [])],
    signal,
  })
  const parts: Record<(typeof NAMES)[number], () => readonly Activation[]> = {
    logits: () => [logits!],
    hidden_states: () => hidden.map((name) => captures[name]!),
    attentions: () => patterns.map((name) => captures[name]!),
  }
  return given.map((name) => {
    const ours = parts[name]()
    const reference = expected!.get(name)!
    const shape = name === 'logits' ? ours[0]!.shape : [ours.length, ...(ours[0]?.shape ?? [])]
    if (shape.join() !== reference.shape.join())
      throw new DiopterError(
        `The expected ${name} have shape [${reference.shape.join(', ')}]; for these tokens this model gives [${shape.join(', ')}].`,
      )
    const size = sizeOf(ours[0]?.shape ?? [])
    return {
      name,
      claim: `${name} as expected`,
      tolerance: RUN_TOLERANCE,
      pairs: ours.map(({ data }, i) => [data as Numbers, part(reference.data, i * size, size)] as const),
    }
  })
}

function part(data: Numbers, from: number, count: number): Numbers {
  return data instanceof Float32Array
    ? data.subarray(from, from + count)
    : Array.prototype.slice.call(data, from, from + count)
}
