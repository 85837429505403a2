/** Which frequencies the neurons work with. */
export interface KeyFrequencies {
  /** The frequencies that neurons claim, ascending. */
  readonly frequencies: readonly number[]
  /** What each neuron claims; null for neurons that claim none. */
  readonly ofNeurons: readonly (number | null)[]
  /** The share of each neuron's variance that its best frequency explains; 0 for neurons that hardly move. */
  readonly explained: readonly number[]
}

/** A neuron claims the frequency that explains more than this of its variance: no two can. */
const CLAIM = 0.5
/** Neurons that vary less than this, relative to the mean over neurons, are dead: whatever explains them is rounding. */
const DEAD = 1e-3

/** Reads key frequencies off `neuronSpectra`: shares [frequencies, neurons] in rows, variances [neurons]. */
export function keyFrequencies(shares: readonly number[], variances: readonly number[]): KeyFrequencies {
  const neurons = variances.length
  const count = shares.length / neurons
  const floor = (DEAD * variances.reduce((sum, x) => sum + x, 0)) / neurons
  const best = variances.map((variance, n) => {
    if (!(variance > floor)) return { frequency: null, share: 0 }
    let k = 0
    for (let other = 1; other < count; other++) if (shares[other * neurons + n]! > shares[k * neurons + n]!) k = other
    const share = shares[k * neurons + n]!
    return { frequency: share > CLAIM ? k + 1 : null, share }
  })
  const ofNeurons = best.map(({ frequency }) => frequency)
  return {
    frequencies: [...new Set(ofNeurons)].filter((k) => k !== null).sort((a, b) => a - b),
    ofNeurons,
    explained: best.map(({ share }) => share),
  }
}
