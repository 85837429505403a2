import type { EditJson } from '../../../runs/index.ts'
import type { Place } from '../../../views/index.ts'
import { chipLabel, hookOf, type Part } from '../left/edit-words.ts'
import { say, useSession, useWorkspace } from '../state/session.ts'
import { useHasTokenizer, useOpenedModel } from '../state/use-model.ts'
import { Button } from '../ui/button.tsx'

/** Interventions at the selected place, one click each. */
export function MakeChips({ place }: { readonly place: Place }) {
  const session = useSession()
  const { data } = useOpenedModel()
  const hasTokenizer = useHasTokenizer()
  const corrupt = useWorkspace((workspace) => workspace.corrupt)
  const choices = chipsAt(place, data?.config.attn_only ?? false, hasTokenizer && corrupt !== '')
  if (choices.length === 0) return null
  const add = (edit: EditJson) => {
    session.workspace.dispatch({ kind: 'addChip', edit })
    say(session, `Added: ${chipLabel(edit)}.`)
  }
  return (
    <div className="make-chips">
      {choices.map(({ label, edit }) => (
        <Button key={label} onClick={() => add(edit)}>
          {label}
        </Button>
      ))}
    </div>
  )
}

/** What could be changed at a place. */
function chipsAt(
  { layer, head, neuron, position }: Place,
  isAttentionOnly: boolean,
  canResample: boolean,
): { readonly label: string; readonly edit: EditJson }[] {
  if (layer === undefined) return []
  const positions = position === undefined ? {} : { positions: [position] }
  const at = (part: Part) => ({ hook: hookOf(part, layer) })
  const from = { kind: 'resample', from: '' } as const
  if (head !== undefined) {
    const region = { ...at('head'), heads: [head] }
    return [
      { label: 'Ablate this head', edit: { ...region, kind: 'zero' } },
      { label: 'Mean-ablate it', edit: { ...region, kind: 'mean' } },
      ...(canResample ? [{ label: 'Take it from the corrupted run', edit: { ...region, ...from } }] : []),
    ]
  }
  if (neuron !== undefined)
    return [{ label: 'Ablate this neuron', edit: { ...at('neuron'), neurons: [neuron], kind: 'zero' } }]
  const here = position === undefined ? '' : ' here'
  return [
    { label: `Ablate attention${here}`, edit: { ...at('attention'), ...positions, kind: 'zero' } },
    ...(isAttentionOnly
      ? []
      : [{ label: `Ablate the MLP${here}`, edit: { ...at('mlp'), ...positions, kind: 'zero' } as const }]),
    ...(canResample
      ? [
          {
            label: `Residual${here} from the corrupted run`,
            edit: { ...at('resid_pre'), ...positions, ...from },
          },
        ]
      : []),
  ]
}
