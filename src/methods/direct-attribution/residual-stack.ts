import type { Model, Prompt, TokenizedPrompt } from '../../lab/index.ts'
import { concat } from '../../tensor/index.ts'
import type { MethodOptions } from '../shared/options.ts'
import { frozenNorm, frozenNormReads } from './frozen-norm.ts'
import { type Decomposition, readsOf, residualPieces } from './residual-parts.ts'

/** Where the parts are read, and whether through the final norm. */
export interface StackOptions extends Omit<MethodOptions, 'seed' | 'onProgress'> {
  /** -1, the last, unless said. */
  readonly position?: number
  /** Whether parts go through the final norm; false unless said. */
  readonly normalized?: boolean
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
  options: StackOptions = {},
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
