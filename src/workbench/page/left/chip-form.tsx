import { type ReactNode, useId, useState } from 'react'
import type { ModelConfig } from '../../../models/index.ts'
import type { EditJson } from '../../../runs/index.ts'
import { idsOf } from '../state/spec.ts'
import { useHasTokenizer } from '../state/use-model.ts'
import { Button } from '../ui/button.tsx'
import { Select } from '../ui/select.tsx'
import { ACTIONS, type Action, hookOf, PARTS, type Part, partOf } from './edit-words.ts'

export interface ChipFormProps {
  readonly edit: EditJson
  /** Of the open model: what there is to choose from. */
  readonly config: ModelConfig | undefined
  readonly action: string
  readonly onDone: (edit: EditJson) => void
}

/** What is changed, where, and how. */
export function ChipForm({ edit, config, action, onDone }: ChipFormProps) {
  const start = partOf(edit.hook)
  const [part, setPart] = useState<Part | 'hook'>(start?.part ?? 'hook')
  const [layer, setLayer] = useState(start?.layer ?? 0)
  const [hook, setHook] = useState(edit.hook)
  const [kind, setKind] = useState<Action>(edit.kind in ACTIONS ? (edit.kind as Action) : 'zero')
  const [indices, setIndices] = useState((edit.heads ?? edit.neurons ?? []).join(', '))
  const [positions, setPositions] = useState((edit.positions ?? []).join(', '))
  const [amount, setAmount] = useState(amountOf(edit))
  const hasTokenizer = useHasTokenizer()

  const parts = (Object.keys(PARTS) as Part[]).filter((name) => !config?.attn_only || !['mlp', 'neuron'].includes(name))
  const layers = Array.from({ length: config?.n_layers ?? layer + 1 }, (_, l) => String(l))
  const hasIndices = part === 'head' || part === 'neuron' || part === 'pattern'
  const list = idsOf(indices)
  const done = () => {
    const region = {
      hook: part === 'hook' ? hook : hookOf(part, layer),
      ...(hasIndices && list.length > 0 ? { [part === 'neuron' ? 'neurons' : 'heads']: list } : {}),
      ...(idsOf(positions).length > 0 ? { positions: idsOf(positions) } : {}),
    }
    onDone(withAction(region, kind, Number(amount)))
  }
  return (
    <form
      className="chip-form"
      onSubmit={(event) => {
        event.preventDefault()
        done()
      }}
    >
      <Labelled label="What happens">
        {(id) => (
          <Select
            id={id}
            value={kind}
            options={(Object.keys(ACTIONS) as Action[])
              .filter((name) => hasTokenizer || name !== 'resample')
              .map((name) => ({ value: name, label: ACTIONS[name] }))}
            onChange={setKind}
          />
        )}
      </Labelled>
      {kind === 'scale' || kind === 'add' ? (
        <Labelled label={kind === 'scale' ? 'Factor' : 'Number'}>
          {(id) => (
            <input
              id={id}
              className="input"
              type="number"
              step="any"
              required
              value={amount}
              onChange={(event) => setAmount(event.target.value)}
            />
          )}
        </Labelled>
      ) : (
        <span />
      )}
      <Labelled label="To what">
        {(id) => (
          <Select<Part | 'hook'>
            id={id}
            value={part}
            options={[
              ...parts.map((name) => ({ value: name, label: PARTS[name].title })),
              { value: 'hook' as const, label: 'A hook by name' },
            ]}
            onChange={setPart}
          />
        )}
      </Labelled>
      {part === 'hook' ? (
        <Labelled label="Hook or glob">
          {(id) => (
            <input
              id={id}
              className="input mono"
              required
              value={hook}
              spellCheck={false}
              onChange={(event) => setHook(event.target.value)}
            />
          )}
        </Labelled>
      ) : (
        <Labelled label="Layer">
          {(id) => (
            <Select
              id={id}
              value={String(layer)}
              options={layers.map((value) => ({ value, label: value }))}
              onChange={(value) => setLayer(Number(value))}
            />
          )}
        </Labelled>
      )}
      {hasIndices && (
        <Labelled label={part === 'neuron' ? 'Neurons' : 'Heads'}>
          {(id) => (
            <input
              id={id}
              className="input"
              value={indices}
              placeholder="all"
              onChange={(event) => setIndices(event.target.value)}
            />
          )}
        </Labelled>
      )}
      <Labelled label="Positions">
        {(id) => (
          <input
            id={id}
            className="input"
            value={positions}
            placeholder="all"
            onChange={(event) => setPositions(event.target.value)}
          />
        )}
      </Labelled>
      <div className="wide">
        <Button look="primary" type="submit">
          {action}
        </Button>
      </div>
    </form>
  )
}

function Labelled({ label, children }: { readonly label: string; readonly children: (id: string) => ReactNode }) {
  const id = useId()
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children(id)}
    </div>
  )
}

function amountOf(edit: EditJson): string {
  if (edit.kind === 'scale') return String(edit.factor)
  return edit.kind === 'add' && typeof edit.value === 'number' ? String(edit.value) : '1'
}

function withAction(
  region: Pick<EditJson, 'hook' | 'heads' | 'neurons' | 'positions'>,
  kind: Action,
  amount: number,
): EditJson {
  switch (kind) {
    case 'zero':
    case 'mean':
      return { ...region, kind }
    case 'resample':
      // Empty: the corrupted prompt, whatever it is when the spec is made.
      return { ...region, kind, from: '' }
    case 'scale':
      return { ...region, kind, factor: amount }
    case 'add':
      return { ...region, kind, value: amount }
  }
}
