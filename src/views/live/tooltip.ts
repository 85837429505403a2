/** The box beside a mark that says what it is. */

/** A hidden tooltip. */
export function createTooltip(page: Document): HTMLElement {
  const tooltip = page.createElement('div')
  tooltip.setAttribute('role', 'tooltip')
  tooltip.hidden = true
  // System colours follow the page's light or dark scheme.
  tooltip.style.cssText =
    'position:absolute;z-index:5;pointer-events:none;white-space:pre;padding:4px 8px;border:1px solid GrayText;' +
    'border-radius:4px;background:Canvas;color:CanvasText;font:12px ui-monospace,monospace;box-shadow:0 1px 4px #0004'
  return tooltip
}

/** Shows `text` above `box` (below, where the window ends), inside the frame's width. */
export function showTooltip(tooltip: HTMLElement, frame: HTMLElement, box: DOMRect, text: string): void {
  tooltip.textContent = text
  tooltip.hidden = false
  const bounds = frame.getBoundingClientRect()
  const { offsetWidth, offsetHeight } = tooltip
  const left = box.left + box.width / 2 - bounds.left - offsetWidth / 2
  const above = box.top - bounds.top - offsetHeight - 6
  tooltip.style.left = `${Math.max(0, Math.min(left, bounds.width - offsetWidth))}px`
  tooltip.style.top = `${above + bounds.top < 0 ? box.bottom - bounds.top + 6 : above}px`
}
