import { DiopterError } from '../../errors/index.ts'
import type { ModelConfig, RotaryScaling } from '../config.ts'
import type { ConfigReader } from './config-reader.ts'

/** The older names under which a family's files give the base and the rotated part of a head, and its default part. */
export interface RotaryNames {
  readonly base?: string
  readonly fraction?: string
  readonly defaultFraction?: number
}

/**
 * Reads `rope_theta`, `rope_scaling` and `partial_rotary_factor`, or the newer `rope_parameters` that holds all three.
 * Without `defaultFraction` the family rotates whole heads. @throws DiopterError for a kind of scaling other than none,
 * linear and llama3, and for a rotated part that the family does not have.
 */
export function rotaryOptions(
  read: ConfigReader,
  d_head: number,
  names: RotaryNames = {},
): Pick<ModelConfig, 'rotary_dim' | 'rotary_base' | 'rotary_scaling'> {
  const combined = objectOrNull(read, 'rope_parameters')
  const scaling = objectOrNull(read, 'rope_scaling')
  const value = (key: string, older: string | undefined, otherwise: number): number => {
    const inside = combined?.[key]
    if (typeof inside === 'number') return inside
    return read.number(key, older === undefined ? otherwise : read.number(older, otherwise))
  }
  const fraction = value('partial_rotary_factor', names.fraction, names.defaultFraction ?? 1)
  const rotary_dim = Math.trunc(d_head * fraction)
  const fits = names.defaultFraction === undefined ? fraction === 1 : fraction > 0 && fraction <= 1
  if (!fits || rotary_dim % 2 !== 0) {
    const supported = names.defaultFraction === undefined ? '1 (whole heads)' : 'a part of the head that is even'
    throw new DiopterError(
      `config.json: ${fraction} of a head of size ${d_head} is to be rotated; supported for this family: ${supported}.`,
    )
  }
  return {
    rotary_dim,
    rotary_base: value('rope_theta', names.base, 10000),
    rotary_scaling: parse(read, 'rope_scaling', scaling) ?? parse(read, 'rope_parameters', combined),
  }
}

type Fields = Readonly<Record<string, unknown>>

function objectOrNull(read: ConfigReader, key: string): Fields | null {
  const value = read.raw(key)
  if (value === undefined) return null
  return typeof value === 'object' && !Array.isArray(value) ? (value as Fields) : read.refuse(key, 'an object or null')
}

function parse(read: ConfigReader, key: string, fields: Fields | null): RotaryScaling | null {
  if (fields === null) return null
  const type = fields.rope_type ?? fields.type ?? (fields.factor === undefined ? 'default' : undefined)
  if (type === 'default') return null
  const number = (field: string): number => {
    const value = fields[field]
    if (typeof value === 'number' && value > 0) return value
    throw new DiopterError(`config.json: ${key}.${field} = ${JSON.stringify(value)} must be a positive number.`)
  }
  if (type === 'linear') return { type, factor: number('factor') }
  if (type !== 'llama3') return read.refuse(key, 'rope_type default, linear, llama3')
  return {
    type,
    factor: number('factor'),
    low_freq_factor: number('low_freq_factor'),
    high_freq_factor: number('high_freq_factor'),
    original_max_position_embeddings: number('original_max_position_embeddings'),
  }
}
