import { type AlignedPosition, alignPrompts, type PromptAlignment } from '../../../tokenizer/align.ts'
import { visibleLabel } from '../../../views/index.ts'
import type { TokenizedText } from '../../service/messages.ts'
import { useSession, useWorkspace } from '../state/session.ts'
import { useTokens } from '../state/use-model.ts'
import { keyed } from '../ui/keyed.ts'

/** The prompts' tokens, one above the other; those that differ are marked. */
export function Alignment() {
  const cleanText = useWorkspace(({ clean }) => clean)
  const corruptText = useWorkspace(({ corrupt }) => corrupt)
  const clean = useTokens(cleanText)
  const corrupt = useTokens(corruptText)
  const error = clean.error ?? corrupt.error
  if (error) return <p className="problem small">{error}</p>
  if (!clean.data || cleanText === '') return null
  if (!corrupt.data || corruptText === '') return <CleanTokens text={clean.data} />
  const alignment = alignPrompts(clean.data, corrupt.data)
  return (
    <>
      <ol className="alignment" aria-label="Tokens of the clean prompt above those of the corrupted one">
        {alignment.positions.map((position) => (
          <li key={`${position.clean} ${position.corrupt}`} className="aligned">
            <TokenButton text={clean.data!} position={position.clean} differs={!position.same} />
            {!position.same && <CorruptToken text={corrupt.data!} position={position} />}
          </li>
        ))}
      </ol>
      <p className={`small ${alignment.equalLength ? 'muted' : 'problem'}`}>
        {summaryOf(alignment, clean.data, corrupt.data)}
      </p>
    </>
  )
}

function CleanTokens({ text }: { readonly text: TokenizedText }) {
  return (
    <>
      <ol className="alignment" aria-label="Tokens of the clean prompt">
        {keyed(text.ids, String).map(({ key, index: position }) => (
          <li key={key} className="aligned">
            <TokenButton text={text} position={position} differs={false} />
          </li>
        ))}
      </ol>
      <p className="muted small">{text.ids.length} tokens</p>
    </>
  )
}

interface TokenProps {
  readonly text: TokenizedText
  readonly position: number | null
  readonly differs: boolean
}

/** A token of the clean prompt; choosing it selects its position everywhere. */
function TokenButton({ text, position, differs }: TokenProps) {
  const session = useSession()
  const isSelected = useWorkspace(({ selection }) => position !== null && selection?.position === position)
  if (position === null) return <Nothing />
  const select = () => {
    const place = { ...session.workspace.get().selection, position: isSelected ? undefined : position }
    session.workspace.dispatch({ kind: 'select', place })
  }
  return (
    <button
      type="button"
      className={`token ${differs ? 'differs' : ''}`}
      aria-pressed={isSelected}
      aria-label={`position ${position}: ${visibleLabel(text.tokens[position]!)}${differs ? ', differs' : ''}`}
      title={`position ${position}, token ${text.ids[position]}`}
      onClick={select}
    >
      {visibleLabel(text.tokens[position]!)}
    </button>
  )
}

function CorruptToken({ text, position }: { readonly text: TokenizedText; readonly position: AlignedPosition }) {
  if (position.corrupt === null) return <Nothing />
  return (
    <span className="token differs" title={`position ${position.corrupt}, token ${text.ids[position.corrupt]}`}>
      {visibleLabel(text.tokens[position.corrupt]!)}
    </span>
  )
}

function Nothing() {
  return (
    <span className="token nothing" title="no counterpart">
      ∅
    </span>
  )
}

/** How the prompts compare, and what to do where they cannot be patched position by position. */
function summaryOf(
  { equalLength, positions, explanation }: PromptAlignment,
  clean: TokenizedText,
  corrupt: TokenizedText,
): string {
  if (!equalLength) {
    const lines = explanation.split('\n').filter((line) => !line.startsWith('  '))
    return lines.map((line) => line.replace(' They differ here:', '')).join(' ')
  }
  const differing = positions.filter(({ same }) => !same).length
  if (differing === 0) return `Both are the same ${clean.ids.length} tokens: nothing to patch.`
  return `${corrupt.ids.length} tokens each; ${differing} ${differing === 1 ? 'differs' : 'differ'}.`
}
