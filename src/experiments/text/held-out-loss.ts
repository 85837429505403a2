import type { Engine } from '../../engine/index.ts'
import { throwIfAborted, type WorkOptions } from '../../errors/index.ts'
import { crossEntropy, input } from '../../tensor/index.ts'
import type { Problem } from '../../train/index.ts'

/** Windows that run at once: their logits take the memory. */
const WINDOWS = 16

/**
 * The mean loss of a language model over every token of a text but the first, in nats per token. Windows of `length`
 * overlap by half and only the second half of each is scored (all of the first window), so that no token is predicted
 * from less than half a window of what precedes it, as an n-gram model never lacks its context either.
 */
export async function heldOutLoss(
  engine: Engine,
  { model, parameters: parameterTypes }: Problem & { readonly model: NonNullable<Problem['model']> },
  parameters: ReadonlyMap<string, Float32Array>,
  tokens: Uint16Array,
  length: number,
  { signal, onProgress }: WorkOptions = {},
): Promise<number> {
  const stride = length / 2
  const places = new Map(parameterTypes.map(({ name, shape }) => [name, input(name, shape)]))
  // [windows, length + 1]: every position predicts the one after it
  const window = input('tokens', [WINDOWS, length + 1], 'int64')
  const losses = crossEntropy(model.logits(places, window.slice(1, 0, -1)), window.slice(1, 1))
  const program = engine.compile([losses], { residency: 'inputs' })
  const weights = Object.fromEntries(
    parameterTypes.map(({ name, shape }) => [name, { dtype: 'float32' as const, shape, data: parameters.get(name)! }]),
  )
  // the last window ends with the text
  const last = tokens.length - length - 1
  const starts = Array.from({ length: Math.ceil(last / stride) + 1 }, (_, i) => Math.min(i * stride, last))
  let [sum, scored] = [0, 0]
  try {
    for (let at = 0; at < starts.length; at += WINDOWS) {
      throwIfAborted(signal)
      const batch = starts.slice(at, at + WINDOWS)
      const ids = new BigInt64Array(WINDOWS * (length + 1))
      batch.forEach((start, row) => {
        tokens.subarray(start, start + length + 1).forEach((id, i) => {
          ids[row * (length + 1) + i] = BigInt(id)
        })
      })
      const feeds = { ...weights, tokens: { dtype: 'int64' as const, shape: window.shape, data: ids } }
      const [result] = await program.run(feeds, { signal })
      const values = result!.data as Float32Array
      batch.forEach((start, row) => {
        // position i of a window predicts token start + 1 + i; what earlier windows scored is left out
        for (let i = scored - start; i < length; i++) sum += values[row * length + i]!
        scored = start + length
      })
      onProgress?.({ phase: 'held-out loss', done: scored, total: tokens.length - 1, unit: 'tokens' })
    }
  } finally {
    program.release()
  }
  return sum / scored
}
