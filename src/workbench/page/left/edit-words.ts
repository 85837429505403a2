import type { EditJson } from '../../../runs/index.ts'

/** Parts of a model that an intervention can change, by their hook inside a block. */
export const PARTS = {
  head: { title: 'Head output', hook: 'attn.hook_z' },
  pattern: { title: 'Attention pattern', hook: 'attn.hook_pattern' },
  attention: { title: 'Attention layer', hook: 'hook_attn_out' },
  mlp: { title: 'MLP layer', hook: 'hook_mlp_out' },
  neuron: { title: 'MLP neurons', hook: 'mlp.hook_post' },
  resid_pre: { title: 'Residual before', hook: 'hook_resid_pre' },
  resid_post: { title: 'Residual after', hook: 'hook_resid_post' },
} as const
export type Part = keyof typeof PARTS

/** What happens to the part. */
export const ACTIONS = {
  zero: 'Zero',
  mean: 'Mean over the prompt',
  resample: 'From the corrupted prompt',
  scale: 'Scale by',
  add: 'Add',
} as const
export type Action = keyof typeof ACTIONS

export const hookOf = (part: Part, layer: number): string => `blocks.${layer}.${PARTS[part].hook}`

/** The part and layer of a hook; null for hooks that are none of the listed parts. */
export function partOf(hook: string): { readonly part: Part; readonly layer: number } | null {
  const [, layer, name] = /^blocks\.(\d+)\.(.+)$/.exec(hook) ?? []
  const part = (Object.keys(PARTS) as Part[]).find((key) => PARTS[key].hook === name)
  return part === undefined ? null : { part, layer: Number(layer) }
}

/** An edit in a few words: `zero L2H3 at 5`. */
export function chipLabel(edit: EditJson): string {
  return `${actionWords(edit)} ${placeWords(edit)}`
}

function actionWords(edit: EditJson): string {
  switch (edit.kind) {
    case 'zero':
      return 'Zero'
    case 'mean':
      return 'Mean of'
    case 'resample':
      return 'Corrupted'
    case 'scale':
      return `${edit.factor} ×`
    case 'add':
      return `Add ${typeof edit.value === 'number' ? edit.value : 'a vector'} to`
    default:
      return edit.kind.replaceAll('_', ' ')
  }
}

function placeWords({ hook, heads, neurons, positions, keys }: EditJson): string {
  const at = partOf(hook)
  const where = [positions && `position ${positions.join(', ')}`, keys && `key ${keys.join(', ')}`].filter(
    (words) => words !== undefined,
  )
  const suffix = where.length > 0 ? ` at ${where.join(', ')}` : ''
  if (!at) return `${hook}${suffix}`
  const heading = `L${at.layer}`
  if (at.part === 'head')
    return `${heading}${heads ? heads.map((head) => `H${head}`).join(' ') : ', all heads'}${suffix}`
  if (at.part === 'neuron' && neurons) return `${heading}N${neurons.join(', N')}${suffix}`
  const of = heads ? ` of H${heads.join(', H')}` : ''
  return `${PARTS[at.part].title.toLowerCase()} ${at.layer}${of}${suffix}`
}
