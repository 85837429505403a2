import { Popover as Radix } from 'radix-ui'
import type { ReactNode } from 'react'
import './popover.css'

export interface PopoverProps {
  /** What opens it: one button. */
  readonly trigger: ReactNode
  /** What it is, for screen readers. */
  readonly name: string
  readonly children: ReactNode
  readonly isOpen?: boolean
  readonly onOpenChange?: (isOpen: boolean) => void
  readonly align?: 'start' | 'center' | 'end'
}

/** A small sheet beside the button that opens it. */
export function Popover({ trigger, name, children, isOpen, onOpenChange, align = 'start' }: PopoverProps) {
  return (
    <Radix.Root open={isOpen} onOpenChange={onOpenChange}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content className="popover" aria-label={name} align={align} sideOffset={4} collisionPadding={8}>
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}
