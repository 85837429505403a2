import { DiopterError, nearMatches } from '../../errors/index.ts'
import { formatShape, type Shape, sameShape, sizeOf } from '../../tensor/index.ts'
import type { ModelConfig } from '../config.ts'
import { axisSize, weightAxes, weightShape } from '../layout.ts'
import type { ParameterSource, ParameterSpec } from '../parameters.ts'

/** The shapes of a checkpoint's tensors by name. */
export type TensorShapes = ReadonlyMap<string, Shape>

/** Where a fused checkpoint tensor holds a weight: axis `letter` of the weight is start.. of the `of` that are stored. */
export interface Within {
  /** A letter of the weight's axes, or '#' for an axis that only numbers the fused weights. */
  readonly letter: string
  readonly of: number
  readonly start: number
}

/** Collects the parameters of one checkpoint, checking every tensor's presence and shape. */
export interface ParameterTable {
  readonly specs: readonly ParameterSpec[]
  /**
   * Says that weight `name` is stored in `tensor`, whose axes are written in letters, one group per axis: 'he d' is a
   * matrix of heads times head size by d_model. @throws DiopterError when the tensor is absent or of another shape.
   */
  add(name: string, tensor: string, stored: string, within?: Within): void
}

/** @param prefixes of tensor names, of which the first that exists counts: checkpoints are saved with and without their head. */
export function parameterTable(config: ModelConfig, shapes: TensorShapes, ...prefixes: string[]): ParameterTable {
  const specs: ParameterSpec[] = []
  return {
    specs,
    add(name, tensor, stored, within) {
      const candidates = ['', ...prefixes].map((prefix) => prefix + tensor)
      const full = candidates.find((candidate) => shapes.has(candidate)) ?? candidates.at(-1)!
      specs.push(describe(config, shapes, name, full, stored, within))
    },
  }
}

/** A torch Linear layer: its weight, stored [out, in], and its bias where the family has one. */
export function addLinear(
  { add }: ParameterTable,
  {
    weight,
    bias,
    tensor,
    out,
    from,
  }: { weight: string; bias?: string | false; tensor: string; out: string; from: string },
  within?: Within,
): void {
  add(weight, `${tensor}.weight`, `${out} ${from}`, within)
  if (bias) add(bias, `${tensor}.bias`, out, within)
}

/** The queries, keys, values and output of attention, each a Linear layer of its own. */
export function addAttention(
  table: ParameterTable,
  block: string,
  tensors: { q: string; k: string; v: string; o: string },
  bias: { qkv: boolean; o: boolean },
): void {
  for (const [letter, heads] of [
    ['q', 'h'],
    ['k', 'k'],
    ['v', 'k'],
  ] as const) {
    addLinear(table, {
      weight: `${block}.attn.W_${letter.toUpperCase()}`,
      bias: bias.qkv && `${block}.attn.b_${letter.toUpperCase()}`,
      tensor: tensors[letter],
      out: `${heads}e`,
      from: 'd',
    })
  }
  const output = { weight: `${block}.attn.W_O`, bias: bias.o && `${block}.attn.b_O` }
  addLinear(table, { ...output, tensor: tensors.o, out: 'd', from: 'he' })
}

/** The two layers of a plain MLP, with biases unless said otherwise. */
export function addMlp(
  table: ParameterTable,
  block: string,
  tensors: { in: string; out: string },
  bias: boolean = true,
): void {
  const [weightIn, weightOut] = [`${block}.mlp.W_in`, `${block}.mlp.W_out`]
  addLinear(table, { weight: weightIn, bias: bias && `${block}.mlp.b_in`, tensor: tensors.in, out: 'm', from: 'd' })
  addLinear(table, { weight: weightOut, bias: bias && `${block}.mlp.b_out`, tensor: tensors.out, out: 'd', from: 'm' })
}

/** A layer norm's weight and bias. */
export function addLayerNorm({ add }: ParameterTable, name: string, tensor: string): void {
  add(`${name}.w`, `${tensor}.weight`, 'd')
  add(`${name}.b`, `${tensor}.bias`, 'd')
}

/** The unembedding: the embedding's own tensor when they are tied, else `head`; and the head's bias where there is one. */
export function addUnembedding(
  { add }: ParameterTable,
  config: ModelConfig,
  embedding: string,
  head = 'lm_head',
  bias = false,
): void {
  add('unembed.W_U', config.tie_word_embeddings ? embedding : `${head}.weight`, 'o d')
  if (bias) add('unembed.b_U', `${head}.bias`, 'o')
}

function describe(
  config: ModelConfig,
  shapes: TensorShapes,
  name: string,
  tensor: string,
  stored: string,
  within: Within | undefined,
): ParameterSpec {
  const groups = stored.split(' ')
  const letters = groups.join('')
  const axes = weightAxes(name)
  const whole = (letter: string) => (letter === within?.letter ? within.of : axisSize(config, letter))
  checkShape(
    config,
    shapes,
    name,
    tensor,
    groups.map((group) => sizeOf([...group].map(whole))),
  )
  const kept = letters.replace('#', '')
  const shape = weightShape(config, name)
  const view = [...letters].map(whole)
  if (within) {
    const count = within.letter === '#' ? 1 : axisSize(config, within.letter)
    const part = { view, axis: letters.indexOf(within.letter), start: within.start, end: within.start + count }
    return { name, shape, axes: order(kept, axes), source: { tensor, part } }
  }
  // A matrix product sums neighbouring axes; d between h and e is stored in front of them instead.
  if (/^[hk]de$/.test(kept)) {
    const source: ParameterSource = { tensor, reordered: { view, axes: [1, 0, 2] } }
    return { name, shape, axes: [1, 0, 2], source }
  }
  return { name, shape, axes: order(kept, axes), source: { tensor } }
}

/** For every public axis, its place among the stored ones. */
const order = (stored: string, axes: string) => [...axes].map((letter) => stored.indexOf(letter))

function checkShape(config: ModelConfig, shapes: TensorShapes, name: string, tensor: string, expected: Shape): void {
  const actual = shapes.get(tensor)
  if (!actual) {
    throw new DiopterError(
      `${config.architecture}: the checkpoint has no tensor ${tensor}, which holds ${name}. ` +
        `Closest: ${nearMatches(tensor, shapes.keys(), 3).join(', ')}.`,
    )
  }
  if (!sameShape(actual, expected)) {
    throw new DiopterError(
      `${config.architecture}: tensor ${tensor} has shape ${formatShape(actual)}; config.json says ${formatShape(expected)}.`,
    )
  }
}
