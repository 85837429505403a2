import { DropdownMenu as Radix } from 'radix-ui'
import type { ReactNode } from 'react'
import './menu.css'

export interface MenuItem {
  readonly label: string
  readonly onSelect: () => void
  /** Why it cannot be done now; shown beside it. */
  readonly problem?: string | undefined
}

export interface MenuProps {
  /** What opens it: one button. */
  readonly trigger: ReactNode
  /** Groups of items, with a line between them. */
  readonly groups: readonly (readonly MenuItem[])[]
}

/** Things to do, behind one button. */
export function Menu({ trigger, groups }: MenuProps) {
  return (
    <Radix.Root>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content className="menu" align="end" sideOffset={4}>
          {groups.map((items, index) => (
            <Radix.Group key={items[0]?.label ?? index} className="menu-group">
              {items.map(({ label, onSelect, problem }) => (
                <Radix.Item key={label} className="menu-item" disabled={problem !== undefined} onSelect={onSelect}>
                  {label}
                  {problem && <span className="muted small">{problem}</span>}
                </Radix.Item>
              ))}
            </Radix.Group>
          ))}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}
