import { Select as Radix } from 'radix-ui'
import { Icon } from './icons.tsx'
import './select.css'

export interface SelectProps<Value extends string> {
  /** For screen readers; or `id` of the trigger with a label beside it. */
  readonly name?: string
  readonly id?: string
  readonly value: Value
  readonly options: readonly { readonly value: Value; readonly label: string; readonly disabled?: boolean }[]
  readonly onChange: (value: Value) => void
}

/** One of a few values. */
export function Select<Value extends string>({ name, id, value, options, onChange }: SelectProps<Value>) {
  return (
    <Radix.Root value={value} onValueChange={(chosen) => onChange(chosen as Value)}>
      <Radix.Trigger id={id} className="select" aria-label={name}>
        <Radix.Value />
        <Icon name="chevron" size={12} />
      </Radix.Trigger>
      <Radix.Portal>
        <Radix.Content className="select-list" position="popper" sideOffset={4}>
          <Radix.Viewport>
            {options.map((option) => (
              <Radix.Item key={option.value} value={option.value} disabled={option.disabled} className="select-option">
                <Radix.ItemText>{option.label}</Radix.ItemText>
                <Radix.ItemIndicator className="select-mark">
                  <Icon name="check" size={12} />
                </Radix.ItemIndicator>
              </Radix.Item>
            ))}
          </Radix.Viewport>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}
