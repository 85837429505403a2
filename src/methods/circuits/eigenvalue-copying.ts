/**
 * Eigenvalue copying score: does a head's OV circuit raise the tokens it reads, on average? (Elhage et al. 2021.)
 *
 * Of the whole circuit from token to logit, W_E W_V W_O W_U [V, V], all eigenvalues but d_head are 0; the others are those of
 * the d_head x d_head matrix (W_O W_U)(W_E W_V). The score is sum(lambda) / sum|lambda|, from -1 to 1. `centred` takes each
 * token's mean logit away first, which changes no prediction: a head that raises all logits alike scores near 1 without.
 *
 * How it misleads: positive eigenvalues mean copying on average only; a matrix with none but positive ones may lower tokens'
 * own logits. Heads of few dimensions score high by chance (`random`). Norm weights that are not folded and MLPs play no
 * part, nor does where the head attends.
 */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix'
import type { WorkOptions } from '../../errors/index.ts'
import type { Model } from '../../lab/index.ts'
import { randomSource } from '../../random/index.ts'
import { einsum, stack } from '../../tensor/index.ts'
import type { PerHead } from '../heads/head-patterns.ts'
import { perHead } from '../shared/per-head.ts'
import { mean } from '../shared/statistics.ts'

/** Eigenvalue copying scores of all heads, with what heads of random weights score. */
export interface EigenvalueCopying {
  readonly scores: PerHead
  readonly centred: PerHead
  /** Products of two Gaussian matrices of d_head x d_model. */
  readonly random: { readonly mean: number; readonly deviation: number }
}

const RANDOM_HEADS = 100

/** The scores of all heads, of weights as the model was opened. Throws nothing of its own. */
export async function eigenvalueCopying(
  model: Model,
  { seed = 0, signal }: { readonly seed?: number } & WorkOptions = {},
): Promise<EigenvalueCopying> {
  const { n_layers, n_heads, d_head, d_model } = model.config
  const weight = (name: string) => model.weights.tensor(name)
  // A toy model's start token may have no logit: eigenvalues are of the tokens that are both read and predicted.
  const tokens = Math.min(model.config.d_vocab, model.config.d_vocab_out)
  const unembedding = weight('unembed.W_U').slice(1, 0, tokens)
  const embedding = weight('embed.W_E').slice(0, 0, tokens)
  const outputs = Array.from({ length: n_layers }, (_, layer) => {
    const values = perHead(model.config, weight(`blocks.${layer}.attn.W_V`), 0)
    // [H, d, e] read from the embedding, [H, e, d] written to the unembedding: [2, H, e, e]
    const circuits = [unembedding, unembedding.sub(unembedding.mean(1, true))].map((columns) => {
      const middle = einsum('do,oc->dc', columns, embedding) // [d, d]: W_U W_E
      const through = einsum('hed,dc->hec', weight(`blocks.${layer}.attn.W_O`), middle)
      return einsum('hec,hcf->hef', through, values)
    })
    return stack(circuits)
  })
  const program = model.engine.compile(outputs, { weights: model.weights.stored })
  const results = await program.run({}, { signal }).finally(() => program.release())
  const size = d_head * d_head
  const grid = (kind: number): PerHead =>
    results.map(({ data }) =>
      Array.from({ length: n_heads }, (_, h) =>
        score((data as Float32Array).subarray((kind * n_heads + h) * size, (kind * n_heads + h + 1) * size), d_head),
      ),
    )
  return { scores: grid(0), centred: grid(1), random: randomScores(d_head, d_model, seed) }
}

/** sum(lambda) / sum|lambda| of a matrix [n, n], row-major. */
function score(matrix: ArrayLike<number>, n: number): number {
  const square = Matrix.from1DArray(n, n, Array.from(matrix))
  const { realEigenvalues, imaginaryEigenvalues } = new EigenvalueDecomposition(square)
  const total = realEigenvalues.reduce((sum, x) => sum + x, 0)
  const size = realEigenvalues.reduce((sum, x, i) => sum + Math.hypot(x, imaginaryEigenvalues[i]!), 0)
  // A head that writes nothing copies nothing.
  return size === 0 ? 0 : total / size
}

function randomScores(d_head: number, d_model: number, seed: number): EigenvalueCopying['random'] {
  const random = randomSource(seed, 'random copying')
  const draw = (rows: number, columns: number) =>
    new Matrix(Array.from({ length: rows }, () => Array.from({ length: columns }, () => random.normal())))
  const scores = Array.from({ length: RANDOM_HEADS }, () =>
    score(draw(d_head, d_model).mmul(draw(d_model, d_head)).to1DArray(), d_head),
  )
  const middle = mean(scores)
  return { mean: middle, deviation: Math.sqrt(mean(scores.map((x) => (x - middle) ** 2))) }
}
