import { Collapsible } from 'radix-ui'
import type { ReactNode } from 'react'
import { Icon } from './icons.tsx'
import './disclosure.css'

/** Words that open more. */
export function Disclosure({ summary, children }: { readonly summary: string; readonly children: ReactNode }) {
  return (
    <Collapsible.Root className="disclosure">
      <Collapsible.Trigger className="disclosure-toggle">
        <Icon name="chevron" size={12} />
        {summary}
      </Collapsible.Trigger>
      <Collapsible.Content>{children}</Collapsible.Content>
    </Collapsible.Root>
  )
}
