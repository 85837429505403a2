import { useId, useState } from 'react'
import { type FieldValue, type FormField, readField, writeField } from '../../../runs/index.ts'
import { Select } from '../ui/select.tsx'

/** Fields that are written over several lines. */
const MANY_LINES: readonly FormField['kind'][] = ['prompts', 'texts', 'rows', 'json']

export interface ParameterFieldProps {
  readonly field: FormField
  readonly value: unknown
  readonly onChange: (value: FieldValue) => void
}

/** Stands for "left empty" in a list of choices. */
const USUAL = '(usual)'

/** One parameter: a choice, or a text that is read as the schema says. */
export function ParameterField({ field, value, onChange }: ParameterFieldProps) {
  const id = useId()
  const { label, help, kind, required } = field
  return (
    <div className={`field parameter ${kind}`}>
      <label htmlFor={id} title={help}>
        {label}
      </label>
      {kind === 'choice' || kind === 'switch' ? (
        <Select
          id={id}
          value={value === undefined ? USUAL : writeField(field, value as FieldValue)}
          options={[
            ...(required ? [] : [{ value: USUAL, label: 'as usual' }]),
            ...(kind === 'switch' ? ['yes', 'no'] : (field.choices ?? [])).map((choice) => ({
              value: choice,
              label: choice.replaceAll('_', ' '),
            })),
          ]}
          onChange={(chosen) => onChange(chosen === USUAL ? undefined : readField(field, chosen))}
        />
      ) : (
        <TypedField id={id} field={field} value={value as FieldValue} onChange={onChange} />
      )}
      <span className="field-note parameter-help">{help}</span>
    </div>
  )
}

function TypedField({
  id,
  field,
  value,
  onChange,
}: {
  readonly id: string
  readonly field: FormField
  readonly value: FieldValue
  readonly onChange: (value: FieldValue) => void
}) {
  const written = writeField(field, value)
  const [typed, setTyped] = useState(written)
  const [known, setKnown] = useState(written)
  const [problem, setProblem] = useState('')
  // Going back, or a link: what was typed is no longer what is set.
  if (written !== known) {
    setKnown(written)
    setTyped(written)
    setProblem('')
  }
  const type = (text: string) => {
    setTyped(text)
    try {
      const read = readField(field, text)
      setKnown(writeField(field, read))
      setProblem('')
      onChange(read)
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error))
    }
  }
  const shared = {
    id,
    value: typed,
    spellCheck: false,
    placeholder: field.required ? '' : 'as usual',
    'aria-invalid': problem !== '',
    'aria-describedby': problem === '' ? undefined : `${id}-problem`,
    // The browser then refuses to run the form, and says why.
    ref: (element: HTMLInputElement | HTMLTextAreaElement | null) => element?.setCustomValidity(problem),
    onChange: (event: { readonly target: { readonly value: string } }) => type(event.target.value),
  }
  return (
    <>
      {MANY_LINES.includes(field.kind) ? (
        <textarea className="textarea mono" rows={1} {...shared} />
      ) : (
        <input className="input" inputMode={field.kind === 'number' ? 'decimal' : 'text'} {...shared} />
      )}
      {problem !== '' && (
        <span id={`${id}-problem`} className="problem small">
          {problem}
        </span>
      )}
    </>
  )
}
