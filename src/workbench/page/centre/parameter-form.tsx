import { useId, useMemo } from 'react'
import { type FormField, formOf, type Method } from '../../../runs/index.ts'
import { useSession, useWorkspace } from '../state/session.ts'
import { Disclosure } from '../ui/disclosure.tsx'
import { Switch } from '../ui/switch.tsx'
import { ParameterField } from './parameter-field.tsx'
import './parameter-form.css'

type Parameters = Readonly<Record<string, unknown>>

/** The form of a method's parameters, made from its schema: what must be said beside the run button, the rest behind words. */
export function ParameterForm({ method }: { readonly method: Method }) {
  const session = useSession()
  const fields = useMemo(() => formOf(method.parameters, method.name), [method])
  const set = useWorkspace((workspace) => workspace.panels[method.name]?.parameters)
  const parameters: Parameters = set ?? method.example.parameters ?? {}
  const change = (name: string, value: unknown) => {
    const { [name]: _, ...others } = parameters
    const changed = value === undefined ? others : { ...others, [name]: value }
    session.workspace.dispatch({ kind: 'setPanel', method: method.name, panel: { parameters: changed } })
  }
  const isFirst = ({ required, name }: FormField) => required || Object.hasOwn(method.example.parameters ?? {}, name)
  const first = fields.filter(isFirst)
  const rest = fields.filter((field) => !isFirst(field))
  const draw = (field: FormField) => (
    <ParameterField
      key={field.name}
      field={field}
      value={parameters[field.name]}
      onChange={(value) => change(field.name, value)}
    />
  )
  const isSet = rest.filter(({ name }) => parameters[name] !== undefined).length
  return (
    <>
      {first.map(draw)}
      {method.takes === 'optional prompts' && <PromptToo method={method} />}
      {rest.length > 0 && (
        <div className="more-settings">
          <Disclosure summary={isSet === 0 ? 'More settings' : `More settings, ${isSet} changed`}>
            <div className="parameter-grid">{rest.map(draw)}</div>
          </Disclosure>
        </div>
      )}
    </>
  )
}

/** Whether a method that needs no prompt reads the clean one too. */
function PromptToo({ method }: { readonly method: Method }) {
  const session = useSession()
  const prompt = useWorkspace((workspace) => workspace.panels[method.name]?.prompt ?? false)
  const id = useId()
  return (
    <div className="field">
      <label htmlFor={id}>Read the clean prompt too</label>
      <span className="switch-line">
        <Switch
          id={id}
          checked={prompt}
          onChange={(on) =>
            session.workspace.dispatch({ kind: 'setPanel', method: method.name, panel: { prompt: on } })
          }
        />
      </span>
    </div>
  )
}
