import { useEffect, useRef } from 'react'
import { type Interactive, type MountedView, mountView, type Place, type ViewSpec } from '../../../views/index.ts'
import './picture.css'

export interface PictureProps extends Pick<Interactive, 'onSelect' | 'onHover' | 'onClear'> {
  readonly spec: ViewSpec
  /** The place that all pictures of the page outline. */
  readonly selected?: Place | null
}

/** A live picture. */
export function Picture({ spec, selected, onSelect, onHover, onClear }: PictureProps) {
  const element = useRef<HTMLDivElement>(null)
  const mounted = useRef<MountedView | null>(null)
  // After every render: the view draws again only where its picture changed.
  useEffect(() => {
    const interactive = { selected: selected ?? {}, onSelect, onHover, onClear }
    if (mounted.current) mounted.current.update(spec, interactive)
    else mounted.current = mountView(element.current!, spec, interactive)
  })
  useEffect(
    () => () => {
      mounted.current?.destroy()
      mounted.current = null
    },
    [],
  )
  return <div className="picture" ref={element} />
}
