import { Switch as Radix } from 'radix-ui'
import './switch.css'

export interface SwitchProps {
  readonly id?: string
  /** For screen readers, where no label points here. */
  readonly name?: string
  readonly checked: boolean
  readonly onChange: (checked: boolean) => void
}

/** On or off. */
export function Switch({ id, name, checked, onChange }: SwitchProps) {
  return (
    <Radix.Root id={id} className="switch" aria-label={name} checked={checked} onCheckedChange={onChange}>
      <Radix.Thumb className="switch-thumb" />
    </Radix.Root>
  )
}
