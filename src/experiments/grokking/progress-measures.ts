/**
 * Progress measures of a network that adds modulo p (Nanda et al. 2023, arXiv 2301.05217, section 5 and appendix C), traced
 * on tables over all p * p pairs: row a * p + b.
 *
 * The circuit for addition writes logits cos(w (a + b - c)) for a few key frequencies: over inputs these are the directions
 * cos(w (a + b)) and sin(w (a + b)), two per frequency. *Restricted* loss keeps only them (and every answer's mean logit) and
 * falls when the circuit works, however much has been memorised beside it; *excluded* loss takes them away and rises as
 * training pairs come to rely on the circuit. The narrow operator matters: products of all waves of all key frequencies (289
 * instead of 17 for eight of them) would flatter both.
 */
import { preciseCrossEntropy } from '../../optim/index.ts'
import { constant, einsum, iota, type Tensor, tensor } from '../../tensor/index.ts'
import { fourierBasis, frequencyCount, sumDirections } from './fourier.ts'

/** How much of each neuron one frequency explains. */
export interface NeuronSpectra {
  /** Share of the centred variance over all pairs: [(p - 1) / 2, neurons], 0 for neurons that never move. */
  readonly shares: Tensor
  /** Variance over all pairs: [neurons]. */
  readonly variances: Tensor
}

/**
 * The 2-D Fourier analysis of activations [p * p, neurons]: frequency k explains the squares of its linear terms (wave k in
 * a or in b alone) and of its quadratic ones (wave k in a times wave k in b): 8 of the p * p components.
 */
export function neuronSpectra(activations: Tensor, p: number): NeuronSpectra {
  const basis = tensor(fourierBasis(p), [p, p])
  const n = activations.shape[1]!
  const centred = activations.sub(activations.mean(0, true))
  // [p * p, n] -> [a, b * n] -> waves in a -> waves in a and b
  const byA = einsum('ua,am->um', basis, centred.reshape(p, p * n)).reshape(p, p, n)
  const squares = einsum('vb,ubn->uvn', basis, byA).square()
  const count = frequencyCount(p)
  const linear = squares.get('1:', 0).add(squares.get(0, '1:')).reshape(count, 2, n).sum(1)
  // [p-1, p-1, n] -> [k, cos or sin, k', cos or sin, n]; of the sums [k, k', n] the diagonal is wanted
  const quadratic = squares.get('1:', '1:').reshape(count, 2, count, 2, n).sum([1, 3])
  const same = iota(count).reshape(count, 1).equal(iota(count).reshape(1, count)).cast('float32')
  const explained = linear.add(quadratic.mul(same.unsqueeze(2)).sum(1))
  const total = centred.square().sum(0)
  return { shares: explained.div(total.maximum(constant(1e-30))), variances: total.div(constant(p * p)) }
}

/** What the losses are measured on. */
export interface PairTable {
  /** int64 [p * p] */
  readonly answers: Tensor
  /** 1 for pairs that are trained on, 0 for held-out ones: float64 [p * p]. */
  readonly trained: Tensor
  /** 1 for key frequencies, 0 for others: [(p - 1) / 2]. */
  readonly keys: Tensor
}

/** Losses in nats, all float64 scalars, and what the logits are made of. */
export interface SumMeasures {
  /** On the trained, the held-out and all pairs. */
  readonly train: Tensor
  readonly test: Tensor
  readonly full: Tensor
  /** On all pairs, from the key frequencies' components and the mean logits alone. */
  readonly restricted: Tensor
  /** On the trained pairs, without the key frequencies' components. */
  readonly excluded: Tensor
  /** The share of the logits' centred variance that each frequency of the sum explains: [(p - 1) / 2]. */
  readonly shares: Tensor
}

/** Full, restricted and excluded losses of logits [p * p, p], with the published operator: 1 + 2 components per key frequency. */
export function sumMeasures(logits: Tensor, { answers, trained, keys }: PairTable, p: number): SumMeasures {
  const count = frequencyCount(p)
  const directions = tensor(sumDirections(p), [p - 1, p * p])
  const coefficients = einsum('dn,nc->dc', directions, logits) // [p-1, p]
  const kept = keys
    .reshape(count, 1)
    .broadcast(count, 2)
    .reshape(p - 1, 1)
  const components = einsum('dn,dc->nc', directions, coefficients.mul(kept))
  const mean = logits.mean(0, true)
  const losses = (values: Tensor) => preciseCrossEntropy(values, answers)
  const on = (mask: Tensor, values: Tensor) => values.mul(mask).sum().div(mask.sum())
  const full = losses(logits)
  return {
    train: on(trained, full),
    test: on(trained.mul(-1).add(1), full),
    full: full.mean(),
    restricted: losses(components.add(mean)).mean(),
    excluded: on(trained, losses(logits.sub(components))),
    shares: coefficients.square().reshape(count, 2, p).sum([1, 2]).div(logits.sub(mean).square().sum()),
  }
}

/** The power of every direction (cos 1, sin 1, cos 2 ..) in the columns of a table [p, columns]: [p - 1]. */
export function directionPowers(table: Tensor, p: number): Tensor {
  return einsum('ux,xm->um', tensor(fourierBasis(p).subarray(p), [p - 1, p]), table)
    .square()
    .sum(1)
}
