import { DiopterError } from '../errors/index.ts'
import type { Tensor, TypedArray } from '../tensor/index.ts'

/** Values with a shape: [features], [P, features], or anything that broadcasts to the activation of one prompt. */
export interface ArrayValue {
  readonly shape: readonly number[]
  readonly data: TypedArray
}

/** What an edit changes: everything of the hook, unless narrowed. All numbers count from 0; negative ones from the end. */
export interface EditRegion {
  /** A hook name, or a glob such as `blocks.*.attn.hook_z`. */
  readonly hook: string
  /** Logical positions of each prompt; -1 is the prompt's own last token. For attention hooks: query positions. */
  readonly positions?: readonly number[]
  readonly heads?: readonly number[]
  /** Indices of the last axis: neurons, residual dimensions, head dimensions. */
  readonly neurons?: readonly number[]
  /** Key positions, for attention scores and patterns. */
  readonly keys?: readonly number[]
}

/** A text, or token ids. */
export type Prompt = string | readonly number[]

/** What happens to the region. Plain data, so that a run can be written down and repeated. */
export type EditAction =
  | { readonly kind: 'zero' }
  /** The mean over `prompts` (the run's own when absent): over all positions, or per position when all have one length. */
  | { readonly kind: 'mean'; readonly prompts?: readonly Prompt[]; readonly per?: 'all' | 'position' }
  /** The activation of another prompt of the same length, at the same positions (one prompt for all, or one for each). */
  | { readonly kind: 'resample'; readonly from: Prompt | readonly Prompt[] }
  | { readonly kind: 'replace'; readonly value: number | readonly number[] | ArrayValue }
  | { readonly kind: 'add'; readonly value: number | readonly number[] | ArrayValue; readonly factor?: number }
  | { readonly kind: 'scale'; readonly factor: number }
  /** Removes the component along a direction of the last axis. */
  | { readonly kind: 'project_out'; readonly direction: readonly number[] | Float32Array }
  | { readonly kind: 'clamp'; readonly min?: number; readonly max?: number }
  /** Holds the activation at its value in the unedited run, whatever other edits do before it. */
  | { readonly kind: 'freeze' }

/** A declarative edit. */
export type Edit = EditRegion & EditAction

/** What a traced edit knows about its place. */
export interface EditContext {
  readonly hook: string
  /** The block's number, or undefined outside blocks. */
  readonly layer: number | undefined
  /** The number of the prompt that each row belongs to. */
  readonly prompts: readonly number[]
  /** Absolute positions of the tokens that the edit sees, int64 [n, P]; in decoding steps [n, 1]. */
  readonly positions: Tensor
}

/**
 * A traced edit: gets the activation with logical positions and returns one of the same shape. In decoding steps there is
 * one position, the new token's; attention hooks are [n, H, 1, K] there with key k at index k, and what lies beyond the
 * new token's own position is masked.
 */
export type EditFunction = (x: Tensor, context: EditContext) => Tensor

/** Edits of a run: a list of declarative ones, or by hook name or glob: functions, declarative actions, or lists of both. */
export type Edits =
  | readonly Edit[]
  | Readonly<Record<string, EditFunction | EditInPlace | readonly (EditFunction | EditInPlace)[]>>

/** A declarative edit whose hook is given elsewhere. */
export type EditInPlace = Omit<EditRegion, 'hook'> & EditAction

/** One edit with its hook pattern, whichever way it was written. */
export interface EditRequest {
  readonly hook: string
  readonly edit: EditFunction | Edit
}

/** All edits as one list, in order. */
export function listEdits(edits: Edits | undefined): EditRequest[] {
  if (edits === undefined) return []
  if (isList(edits)) return edits.map((edit) => ({ hook: edit.hook, edit }))
  return Object.entries(edits).flatMap(([hook, given]) => {
    const list = isMany(given) ? given : [given]
    if (list.length === 0) throw new DiopterError(`The list of edits of ${hook} is empty; leave it out.`)
    return list.map((edit) => ({ hook, edit: typeof edit === 'function' ? edit : { ...edit, hook } }))
  })
}

const isList = (edits: Edits): edits is readonly Edit[] => Array.isArray(edits)
const isMany = (
  given: EditFunction | EditInPlace | readonly (EditFunction | EditInPlace)[],
): given is readonly (EditFunction | EditInPlace)[] => Array.isArray(given)

/** An edit whose values are known: what other runs had to give has been filled in. */
export type ResolvedEdit = EditRegion &
  (
    | {
        readonly kind: 'set' | 'add'
        readonly values: readonly ArrayValue[]
        /** Whether the values stand for the positions of whole prompts. */
        readonly byPosition?: boolean
      }
    | { readonly kind: 'scale'; readonly factor: number }
    | { readonly kind: 'project_out'; readonly direction: Float32Array }
    | { readonly kind: 'clamp'; readonly min: number; readonly max: number }
  )

/** An edit that brings values. */
export type ValueEdit = Extract<ResolvedEdit, { readonly kind: 'set' | 'add' }>

/** Indices 0..size-1 from a list that may count from the end. */
export function resolveIndices(list: readonly number[], size: number, what: string, hook: string): number[] {
  return list.map((i) => {
    const at = i < 0 ? i + size : i
    if (!Number.isInteger(i) || at < 0 || at >= size) {
      throw new DiopterError(
        `The edit of ${hook} asks for ${what} ${i}; there are ${size} (0..${size - 1}, or -1 for the last).`,
      )
    }
    return at
  })
}
