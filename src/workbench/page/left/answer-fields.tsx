import { useId } from 'react'
import { visibleLabel } from '../../../views/index.ts'
import { useSession, useWorkspace } from '../state/session.ts'
import { useHasTokenizer, useTokens } from '../state/use-model.ts'

/** The token that should come next, and one that should not. */
export function AnswerFields() {
  return (
    <section className="side-section" aria-label="Answer">
      <div className="answers">
        <AnswerField field="answer" label="Answer" />
        <AnswerField field="wrong" label="Wrong answer" />
      </div>
    </section>
  )
}

function AnswerField({ field, label }: { readonly field: 'answer' | 'wrong'; readonly label: string }) {
  const session = useSession()
  const text = useWorkspace((workspace) => workspace[field])
  const hasTokenizer = useHasTokenizer()
  const { data, isPending } = useTokens(text, false)
  const id = useId()
  const isBad = !isPending && text !== '' && data !== undefined && data.ids.length !== 1
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        className="input mono"
        value={text}
        spellCheck={false}
        autoComplete="off"
        aria-invalid={isBad}
        aria-describedby={`${id}-note`}
        placeholder={hasTokenizer ? 'with its space' : 'a token id'}
        onChange={(event) => session.workspace.dispatch({ kind: 'type', field, text: event.target.value })}
      />
      <span id={`${id}-note`} className={isBad ? 'field-note problem' : 'field-note'}>
        {noteOf(text, isPending ? undefined : data?.tokens, hasTokenizer)}
      </span>
    </div>
  )
}

function noteOf(text: string, tokens: readonly string[] | undefined, hasTokenizer: boolean): string {
  if (text === '') return 'none'
  if (!tokens) return ' '
  if (tokens.length === 1) return `one token: ${visibleLabel(tokens[0]!)}`
  const pieces = tokens.map((token) => visibleLabel(token)).join(' ')
  const hint = hasTokenizer && !text.startsWith(' ') ? ' Most words begin with a space.' : ''
  return tokens.length === 0 ? 'Not a token id.' : `${tokens.length} tokens (${pieces}): it must be one.${hint}`
}
