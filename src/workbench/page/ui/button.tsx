import { Tooltip } from 'radix-ui'
import type { ComponentProps } from 'react'
import { Icon, type IconName } from './icons.tsx'
import './button.css'

export interface ButtonProps extends ComponentProps<'button'> {
  readonly look?: 'plain' | 'primary' | 'quiet'
  readonly icon?: IconName
}

/** A button with words on it. */
export function Button({ look = 'plain', icon, children, className = '', ...rest }: ButtonProps) {
  return (
    <button type="button" className={`button ${look} ${className}`} {...rest}>
      {icon && <Icon name={icon} size={14} />}
      {children}
    </button>
  )
}

export interface IconButtonProps extends ComponentProps<'button'> {
  readonly icon: IconName
  /** Its name, for screen readers and the tooltip. */
  readonly name: string
}

/** A button with only a drawing on it; its name appears on hover and focus. */
export function IconButton({ icon, name, className = '', ...rest }: IconButtonProps) {
  return (
    <Tooltip.Root>
      <Tooltip.Trigger asChild>
        <button type="button" className={`icon-button ${className}`} aria-label={name} {...rest}>
          <Icon name={icon} />
        </button>
      </Tooltip.Trigger>
      {/* No portal: its words stay inside the landmark of what they name. */}
      <Tooltip.Content className="tip" sideOffset={4}>
        {name}
      </Tooltip.Content>
    </Tooltip.Root>
  )
}
