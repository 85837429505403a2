import { useId, useState } from 'react'
import type { ModelEntry } from '../../service/messages.ts'
import { useSession, useWorkspace } from '../state/session.ts'
import { useOpenedModel } from '../state/use-model.ts'
import { useQuery } from '../state/use-query.ts'
import { initialWorkspace } from '../state/workspace.ts'
import { Button } from '../ui/button.tsx'
import { Icon } from '../ui/icons.tsx'
import { bytesText, countText } from '../ui/numbers.ts'
import { Popover } from '../ui/popover.tsx'
import { FolderButton } from './folder-button.tsx'

/** Which model is asked, and how another one is opened. */
export function ModelPicker() {
  const session = useSession()
  const model = useWorkspace((workspace) => workspace.model)
  const entries = useQuery('models', {})
  const opened = useOpenedModel()
  const [isOpen, setOpen] = useState(false)
  const entry = entries.data?.find(({ ref }) => ref === model)

  const choose = (ref: string, revision: string | null = null) => {
    setOpen(false)
    // Token ids are no texts for the next model.
    const { clean, corrupt, answer, wrong } = initialWorkspace
    const prompts = opened.data?.hasTokenizer === false ? { clean, corrupt, answer, wrong } : null
    session.workspace.dispatch({ kind: 'openModel', ref, revision, prompts })
  }
  return (
    <section className="side-section" aria-label="Model">
      <Popover
        name="Models"
        isOpen={isOpen}
        onOpenChange={setOpen}
        trigger={
          <button type="button" className="model-button" data-shortcut="model">
            <span>
              <span className="visually-hidden">Model: </span>
              {entry?.title ?? model}
            </span>
            <Icon name="chevron" size={14} />
          </button>
        }
      >
        <ul className="model-list" aria-label="Models to choose from">
          {(entries.data ?? []).map((choice) => (
            <li key={choice.ref}>
              <Entry entry={choice} isChosen={choice.ref === model} onChoose={() => choose(choice.ref)} />
            </li>
          ))}
        </ul>
        <div className="model-other">
          <HubField onOpen={choose} />
          <FolderButton onAdded={choose} />
        </div>
      </Popover>
      <ModelFacts />
    </section>
  )
}

function Entry({
  entry,
  isChosen,
  onChoose,
}: {
  readonly entry: ModelEntry
  readonly isChosen: boolean
  readonly onChoose: () => void
}) {
  return (
    <button
      type="button"
      className="model-entry"
      aria-pressed={isChosen}
      disabled={entry.problem !== null}
      onClick={onChoose}
    >
      <strong>
        {entry.title}
        <span className="small">{bytesText(entry.bytes)}</span>
      </strong>
      <span>{entry.problem ?? entry.about}</span>
    </button>
  )
}

function HubField({ onOpen }: { readonly onOpen: (ref: string, revision: string | null) => void }) {
  const [typed, setTyped] = useState('')
  const id = useId()
  const [ref, revision] = typed.trim().split('@') as [string, string | undefined]
  return (
    <form
      className="field"
      onSubmit={(event) => {
        event.preventDefault()
        if (ref !== '') onOpen(ref, revision ?? null)
      }}
    >
      <label htmlFor={id}>From the Hugging Face hub</label>
      <div className="input-row">
        <input
          id={id}
          className="input mono"
          value={typed}
          placeholder="owner/name"
          spellCheck={false}
          onChange={(event) => setTyped(event.target.value)}
        />
        <Button type="submit" disabled={ref === ''}>
          Open
        </Button>
      </div>
      <span className="field-note">Downloaded once and kept by this browser.</span>
    </form>
  )
}

/** The open model in one line, or how far its opening is. */
function ModelFacts() {
  const { data, error, isPending } = useOpenedModel()
  if (error) return <p className="problem small">{error}</p>
  if (isPending || !data) return <p className="muted small">Opening; results below come from earlier runs.</p>
  const { n_layers, n_heads, d_model } = data.config
  return (
    <p className="muted small">
      {n_layers} {n_layers === 1 ? 'layer' : 'layers'}, {n_heads} heads, width {d_model}, {countText(data.parameters)}{' '}
      parameters. {data.backend}.
    </p>
  )
}
