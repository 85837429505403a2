import { DiopterError } from '../../errors/index.ts'
import type { ModelConfig } from '../config.ts'
import type { ConfigJson } from './architecture.ts'
import { checkUnread } from './unsupported.ts'

/** Reads a config.json key by key, and knows at the end which keys nobody read. */
export interface ConfigReader {
  /** A whole number of at least 1. @throws DiopterError when it is absent (and has no default) or something else. */
  size(key: string, otherwise?: number): number
  /** A finite number. */
  number(key: string, otherwise?: number): number
  /** A finite number or null; `otherwise` when the key is absent, which is not the same as null. */
  optionalNumber(key: string, otherwise: number | null): number | null
  flag(key: string, otherwise: boolean): boolean
  /** The activation function under transformers' names. */
  activation(key: string, otherwise?: string): Exclude<ModelConfig['act_fn'], null>
  /** The raw value, for what the others do not cover. */
  raw(key: string): unknown
  /** @throws DiopterError when the value is neither absent, null nor one of those listed. */
  only(key: string, ...supported: readonly (string | number | boolean)[]): void
  /** Throws the error for an unsupported value. */
  refuse(key: string, supported: string): never
  /** @throws DiopterError when a key that changes numbers was not read. Call it last. */
  finish(): void
  /** @throws DiopterError for any key that was neither read nor listed: for formats of which every field is known. */
  finishStrictly(ignored: readonly string[]): void
}

const ACTIVATIONS: Readonly<Record<string, Exclude<ModelConfig['act_fn'], null>>> = {
  relu: 'relu',
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu_new',
  gelu_fast: 'gelu_new',
  gelu_pytorch_tanh: 'gelu_new',
  silu: 'silu',
  swish: 'silu',
}

/** @param where names the family in errors. */
export function configReader(where: string, json: ConfigJson): ConfigReader {
  const read = new Set<string>()
  const raw = (key: string): unknown => {
    read.add(key)
    return json[key] ?? undefined
  }
  const refuse = (key: string, supported: string): never => {
    throw new DiopterError(
      `${where}: ${key} = ${JSON.stringify(json[key]) ?? 'its default (config.json has none)'} is not supported; supported: ${supported}.`,
    )
  }
  const numeric = (key: string, valid: (n: number) => boolean, what: string, otherwise: number | undefined): number => {
    const value = raw(key) ?? otherwise
    if (value === undefined) throw new DiopterError(`${where}: config.json has no ${key}, ${what}.`)
    return typeof value === 'number' && valid(value) ? value : refuse(key, what)
  }
  return {
    raw,
    refuse,
    size: (key, otherwise) =>
      numeric(key, (n) => Number.isInteger(n) && n > 0, 'a whole number of 1 or more', otherwise),
    number: (key, otherwise) => numeric(key, Number.isFinite, 'a number', otherwise),
    optionalNumber(key, otherwise) {
      if (raw(key) !== undefined) return numeric(key, Number.isFinite, 'a number or null', undefined)
      return Object.hasOwn(json, key) ? null : otherwise
    },
    flag(key, otherwise) {
      const value = raw(key) ?? otherwise
      return typeof value === 'boolean' ? value : refuse(key, 'true or false')
    },
    activation(key, otherwise) {
      const value = raw(key) ?? otherwise
      const known = typeof value === 'string' && Object.hasOwn(ACTIVATIONS, value) ? ACTIVATIONS[value] : undefined
      return known ?? refuse(key, Object.keys(ACTIVATIONS).join(', '))
    },
    only(key, ...supported) {
      const value = raw(key)
      if (value !== undefined && !supported.some((one) => one === value)) refuse(key, supported.join(', '))
    },
    finish: () => checkUnread(where, json, read),
    finishStrictly(ignored) {
      const unknown = Object.keys(json).filter((key) => !read.has(key) && !ignored.includes(key))
      if (unknown.length === 0) return
      throw new DiopterError(
        `${where}: config.json has ${unknown.join(', ')}, which this reader does not know. It reads ${[...read].join(', ')}.`,
      )
    },
  }
}

/** The size of one head: an equal share of d_model. */
export function headSize(d_model: number, n_heads: number): number {
  if (d_model % n_heads === 0) return d_model / n_heads
  throw new DiopterError(`config.json: ${n_heads} heads do not divide the hidden size ${d_model}.`)
}

/** The number of key/value heads, a divisor of the number of heads; `otherwise` where the config has none. */
export function keyValueHeads(
  read: ConfigReader,
  n_heads: number,
  key = 'num_key_value_heads',
  otherwise = n_heads,
): number {
  const heads = read.size(key, otherwise)
  return n_heads % heads === 0 ? heads : read.refuse(key, `a divisor of the ${n_heads} heads`)
}

/**
 * How far each layer's queries look back: `window` positions in the layers that `layer_types` calls sliding or, where the
 * config has no such list, in those that `slides` says.
 */
export function layerWindows(
  read: ConfigReader,
  n_layers: number,
  window: number | null,
  slides: (layer: number) => boolean,
): (number | null)[] {
  const types = read.raw('layer_types')
  if (types === undefined) return Array.from({ length: n_layers }, (_, layer) => (slides(layer) ? window : null))
  const valid =
    Array.isArray(types) &&
    types.length === n_layers &&
    types.every((type) => type === 'full_attention' || type === 'sliding_attention')
  if (!valid) read.refuse('layer_types', `${n_layers} of full_attention and sliding_attention`)
  return (types as string[]).map((type) => (type === 'sliding_attention' ? window : null))
}
