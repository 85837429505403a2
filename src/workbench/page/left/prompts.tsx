import { type ReactNode, useId } from 'react'
import { useSession, useWorkspace } from '../state/session.ts'
import { useHasTokenizer, useOpenedModel } from '../state/use-model.ts'
import type { TextField } from '../state/workspace.ts'
import { IconButton } from '../ui/button.tsx'
import { Alignment } from './alignment.tsx'
import '../ui/field.css'

/** The clean prompt, the corrupted one, and how their tokens correspond. */
export function Prompts() {
  const session = useSession()
  const hasTokenizer = useHasTokenizer()
  const { data } = useOpenedModel()
  const idHint = `token ids from 0 to ${(data?.config.d_vocab ?? 1) - 1}`
  return (
    <section className="side-section" aria-label="Prompts">
      <PromptField field="clean" label="Clean prompt" placeholder={hasTokenizer ? 'Type a text' : idHint} />
      {!hasTokenizer && <p className="muted small">This model reads {idHint}.</p>}
      <PromptField
        field="corrupt"
        label="Corrupted prompt"
        placeholder="The same, but for what matters"
        action={
          <IconButton
            icon="swap"
            name="Swap clean and corrupted, with their answers"
            onClick={() => session.workspace.dispatch({ kind: 'swapPrompts' })}
          />
        }
      />
      <Alignment />
    </section>
  )
}

function PromptField({
  field,
  label,
  placeholder,
  action,
}: {
  readonly field: TextField
  readonly label: string
  readonly placeholder: string
  readonly action?: ReactNode
}) {
  const session = useSession()
  const text = useWorkspace((workspace) => workspace[field])
  const id = useId()
  return (
    <div className="field">
      <span className="label-line">
        <label htmlFor={id}>{label}</label>
        {action}
      </span>
      <textarea
        id={id}
        className="textarea"
        data-shortcut={field}
        value={text}
        placeholder={placeholder}
        spellCheck={false}
        rows={2}
        onChange={(event) => session.workspace.dispatch({ kind: 'type', field, text: event.target.value })}
      />
    </div>
  )
}
