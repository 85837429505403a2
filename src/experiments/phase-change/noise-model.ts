/** First-order autoregressive noise: e[i] = correlation * e[i-1] + scale[i] * (white noise of variance 1). */
export interface Noise {
  readonly correlation: number
  /** [points] */
  readonly scale: Float64Array
}

/** Values of which the noise is white with variance 1. */
export function whiten(values: Float64Array, { correlation, scale }: Noise): Float64Array {
  const white = new Float64Array(values.length)
  white[0] = (values[0]! * Math.sqrt(1 - correlation ** 2)) / scale[0]!
  for (let i = 1; i < values.length; i++) white[i] = (values[i]! - correlation * values[i - 1]!) / scale[i]!
  return white
}
