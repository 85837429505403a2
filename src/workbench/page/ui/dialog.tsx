import { Dialog as Radix } from 'radix-ui'
import { type ReactNode, useRef } from 'react'
import { IconButton } from './button.tsx'
import { scrollable } from './scrollable.ts'
import './dialog.css'

export interface DialogProps {
  readonly title: string
  /** One sentence under the title. */
  readonly about?: string
  readonly isOpen: boolean
  readonly onOpenChange: (isOpen: boolean) => void
  /** `drawer`: the whole width, from below. */
  readonly shape?: 'box' | 'drawer'
  readonly children: ReactNode
}

/** A sheet above the page, until Esc. */
export function Dialog({ title, about, isOpen, onOpenChange, shape = 'box', children }: DialogProps) {
  const body = useRef<HTMLElement>(null)
  return (
    <Radix.Root open={isOpen} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className="overlay" />
        <Radix.Content
          className={`dialog ${shape}`}
          {...(about ? {} : { 'aria-describedby': undefined })}
          // Not the close button: its tooltip would take the first Esc.
          onOpenAutoFocus={(event) => {
            event.preventDefault()
            body.current?.focus()
          }}
        >
          <header className="dialog-head">
            <div>
              <Radix.Title className="dialog-title">{title}</Radix.Title>
              {about && <Radix.Description className="muted">{about}</Radix.Description>}
            </div>
            <Radix.Close asChild>
              <IconButton icon="close" name="Close" />
            </Radix.Close>
          </header>
          <section ref={body} className="dialog-body" aria-label={title} {...scrollable}>
            {children}
          </section>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}
