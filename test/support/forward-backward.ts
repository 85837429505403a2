import { gradients } from '../../src/autodiff/index.ts'
import type { Engine, StoredTensor, TensorValue } from '../../src/engine/index.ts'
import {
  constant,
  crossEntropy,
  einsum,
  input,
  iota,
  layerNorm,
  type Shape,
  sizeOf,
  type Tensor,
} from '../../src/tensor/index.ts'
import { randomSource, uniform } from './random.ts'

const [BATCH, POSITIONS, WIDTH, HEADS, HEAD, HIDDEN, VOCABULARY] = [2, 7, 16, 2, 8, 24, 19]

const SHAPES: Readonly<Record<string, Shape>> = {
  W_E: [VOCABULARY, WIDTH],
  W_Q: [HEADS, WIDTH, HEAD],
  W_K: [HEADS, WIDTH, HEAD],
  W_V: [HEADS, WIDTH, HEAD],
  W_O: [HEADS, HEAD, WIDTH],
  ln_w: [WIDTH],
  ln_b: [WIDTH],
  W_in: [WIDTH, HIDDEN],
  W_out: [HIDDEN, WIDTH],
  W_U: [WIDTH, VOCABULARY],
}

/**
 * A one-block transformer's loss with the gradients of all its weights: the case that every backend must compute alike.
 * Returns the loss, the attention pattern, the tokens that the model finds likeliest, and a gradient per weight.
 */
function trace(): Record<string, Tensor> {
  const weights = Object.fromEntries(Object.entries(SHAPES).map(([name, shape]) => [name, input(name, shape)]))
  const w = (name: string) => weights[name]!
  const tokens = input('tokens', [BATCH, POSITIONS + 1], 'int64')
  const resid = w('W_E').gather(tokens.get(':', ':-1'))
  const normed = layerNorm(resid, 1e-5).normalized.mul(w('ln_w')).add(w('ln_b'))
  const heads = (name: string) => einsum('bpd,hde->bphe', normed, w(name))
  const scores = einsum('bqhe,bkhe->bhqk', heads('W_Q'), heads('W_K')).mul(constant(1 / Math.sqrt(HEAD)))
  const isLater = iota(POSITIONS).unsqueeze(1).less(iota(POSITIONS))
  const pattern = scores.add(isLater.where(constant(-1e9), constant(0))).softmax()
  const z = einsum('bhqk,bkhe->bqhe', pattern, heads('W_V'))
  const middle = resid.add(einsum('bqhe,hed->bqd', z, w('W_O')))
  const out = middle.add(einsum('bph,hd->bpd', einsum('bpd,dh->bph', middle, w('W_in')).gelu('tanh'), w('W_out')))
  const logits = einsum('bpd,dv->bpv', out, w('W_U'))
  const loss = crossEntropy(logits, tokens.get(':', '1:')).mean()
  const names = Object.keys(SHAPES)
  const grads = gradients([loss], names.map(w))
  return {
    loss,
    pattern,
    likeliest: logits.argmax().cast('float32'),
    ...Object.fromEntries(names.map((name, i) => [`grad ${name}`, grads[i]!])),
  }
}

/** Runs the case several times on `engine`, so that weights are promoted where they are; returns the last run's numbers. */
export async function runForwardBackward(engine: Engine): Promise<Record<string, number[]>> {
  const outputs = trace()
  const random = randomSource(11)
  const stored = new Map<string, StoredTensor>()
  for (const [name, shape] of Object.entries(SHAPES)) {
    const data = Float32Array.from(uniform(shape, random, -0.5, 0.5))
    stored.set(name, await engine.backend.store({ dtype: 'float32', shape, data }))
  }
  const shape = [BATCH, POSITIONS + 1]
  const ids = BigInt64Array.from({ length: sizeOf(shape) }, () => BigInt(Math.floor(random() * VOCABULARY)))
  const tokens: TensorValue = { dtype: 'int64', shape, data: ids }
  const program = engine.compile(Object.values(outputs), { weights: stored })
  let results: TensorValue[] = []
  for (let i = 0; i < 5; i++) results = await program.run({ tokens })
  program.release()
  return Object.fromEntries(
    Object.keys(outputs).map((name, i) => [name, Array.from(results[i]!.data as Float32Array, Number)]),
  )
}
