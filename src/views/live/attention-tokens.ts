/** One head live: the prompt as text whose tokens show what the one in focus reads and who reads it, the pattern beside it. */

import type { GridPicture } from '../grid-picture.ts'
import { visibleLabel, visibleText } from '../labels.ts'
import { valueAt } from '../numbers.ts'
import type { Place, Places } from '../place.ts'
import { hoverValue } from '../scales.ts'
import { FONT_FAMILY } from '../svg.ts'
import {
  type AttentionTokensProps,
  defaultFocus,
  READING_SCALES,
  readingAt,
  readingSentence,
  readPattern,
} from '../token-reading.ts'
import type { Interactive, Mounted, Selection } from './interactive.ts'
import { mountLive } from './mount.ts'
import { type LiveToken, tokenMaker } from './token-button.ts'

type LiveProps = AttentionTokensProps & Interactive

/** Draws the view inside `element` and keeps it live until `destroy`. Throws where the pattern is not tokens by tokens. */
export function mountAttentionTokens(element: HTMLElement, props: LiveProps): Mounted<LiveProps> {
  const page = element.ownerDocument
  const make = (css: string, ...children: HTMLElement[]) => {
    const created = page.createElement('div')
    created.style.cssText = css
    created.append(...children)
    return created
  }
  const title = make('font-weight:bold;font-size:13px;padding:10px 0 2px')
  const sentence = make('min-height:3em;line-height:1.5')
  sentence.setAttribute('aria-live', 'polite')
  const text = make(
    'display:flex;flex-wrap:wrap;gap:4px 2px;max-height:60vh;overflow:auto;align-content:flex-start;padding:2px',
  )
  text.setAttribute('role', 'group')
  const beside = make('flex:0 1 320px;min-width:220px;max-width:100%')
  const frame = make(
    `display:flex;flex-wrap:wrap;gap:16px 28px;font:11px ${FONT_FAMILY}`,
    make('flex:1 1 320px;min-width:0', title, sentence, text),
    beside,
  )
  element.replaceChildren(frame)

  let current = props
  let read = readPattern(props)
  let tokens: LiveToken[] = []
  let locked = lockedBy(props)
  let pointed: number | undefined
  let shown: number | undefined

  const focus = () => locked ?? pointed ?? defaultFocus(current)
  const selectionOf = (token: number): Selection => ({
    row: token,
    column: token,
    value: null,
    label: `token ${token}: ${visibleLabel(current.tokens[token]!)}`,
    place: tokenPlace(current.places, token),
  })
  const matrix = () => {
    const { title, tokens, pattern, places } = current
    return {
      title,
      tokens,
      pattern,
      places,
      onHover: (selection: Selection | null) => {
        point(selection?.row)
        current.onHover?.(selection)
      },
      onSelect: (selection: Selection) => {
        lock(selection.row)
        current.onSelect?.(selection)
      },
      outlined: (row: number, column: number) => {
        const at = focus()
        const own = row === at || column === at
        return own && (!read.causal || column <= row)
      },
    }
  }
  const show = () => {
    const at = focus()
    for (const [index, token] of tokens.entries()) {
      const reading = readingAt(read.rows, read.causal, at, index)
      token.show(reading, index === at, index === locked)
    }
    if (shown !== undefined && shown !== at) tokens[shown]?.button.setAttribute('tabindex', '-1')
    tokens[at]?.button.setAttribute('tabindex', '0')
    shown = at
    sentence.textContent = tokens.length === 0 ? '' : readingSentence(current.tokens, read.rows, read.causal, at)
    grid.update(matrix())
  }
  const makeToken = tokenMaker(page)
  const draw = () => {
    read = readPattern(current)
    title.textContent = visibleText(current.title)
    text.setAttribute('aria-label', `${current.title}: tokens`)
    tokens = current.tokens.map(makeToken)
    const breaks = current.tokens.map((token) => token.includes('\n'))
    text.replaceChildren(
      ...tokens.flatMap(({ button }, i) => (breaks[i] ? [button, make('flex-basis:100%;height:0')] : [button])),
    )
    shown = undefined
    show()
  }
  const point = (token: number | undefined) => {
    if (token === pointed) return
    pointed = token
    if (locked === undefined) show()
  }
  const lock = (token: number | undefined) => {
    locked = token
    show()
  }
  const indexOf = (event: Event) => {
    const token = (event.target as Element).closest<HTMLElement>('[data-token]')
    return token ? Number(token.dataset.token) : undefined
  }
  const hover = (token: number | undefined) => {
    if (token === pointed) return
    point(token)
    current.onHover?.(token === undefined ? null : selectionOf(token))
  }
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (event.key === 'Escape') {
      lock(undefined)
      current.onClear?.()
      return
    }
    const at = indexOf(event)
    const buttons = tokens.map(({ button }) => button)
    const target = at === undefined ? undefined : tokenTarget(buttons, at, event.key)
    if (target === undefined) return
    event.preventDefault()
    buttons[target]!.focus()
  }

  const grid = mountLive(beside, { svg: () => '', grid: compactGrid, canvas: true }, matrix())
  const listeners = new AbortController()
  const { signal } = listeners
  text.addEventListener('pointermove', (event) => hover(indexOf(event)), { signal })
  text.addEventListener('pointerleave', () => hover(undefined), { signal })
  text.addEventListener('focusin', (event) => hover(indexOf(event)), { signal })
  frame.addEventListener('keydown', onKey, { signal })
  text.addEventListener(
    'click',
    (event) => {
      const token = indexOf(event)
      if (token === undefined) return
      if (token === locked) {
        lock(undefined)
        current.onClear?.()
        return
      }
      lock(token)
      current.onSelect?.(selectionOf(token))
    },
    { signal },
  )
  draw()

  return {
    update(next) {
      const previous = current
      current = next
      if (next.selected !== previous.selected) locked = lockedBy(next)
      const drawn = (['title', 'pattern', 'tokens'] as const).some((name) => next[name] !== previous[name])
      if (drawn) draw()
      else show()
    },
    destroy() {
      listeners.abort()
      grid.destroy()
      element.replaceChildren()
    },
  }
}

/** The pattern as an overview: the tokens beside it say what its rows and columns are. */
function compactGrid(props: AttentionTokensProps): GridPicture {
  const { rows } = readPattern(props)
  const { tokens } = props
  return {
    title: 'Queries (rows) by keys',
    rowLabels: tokens,
    columnLabels: tokens,
    rowAxis: '',
    columnAxis: '',
    compact: true,
    values: rows,
    scale: READING_SCALES.reads,
    valueLabel: 'attention weight',
    hover: (query, key) => [
      `from query ${query}: ${visibleLabel(tokens[query]!)}`,
      `to key ${key}: ${visibleLabel(tokens[key]!)}`,
      `attention weight: ${hoverValue(valueAt(rows, query, key))}`,
    ],
  }
}

/** What the token stands for: a row of the pattern, whatever it reads. */
function tokenPlace(places: Places | undefined, token: number): Place {
  return { ...places?.all, ...places?.rows?.[token] }
}

/** The token that a page's selection is about; another head's or layer's selection is about the same token. */
function lockedBy({ selected, places, tokens }: LiveProps): number | undefined {
  if (selected?.position === undefined) return undefined
  const found = tokens.findIndex((_, token) => {
    const place = tokenPlace(places, token)
    return place.position === selected.position && (place.prompt ?? 0) === (selected.prompt ?? place.prompt ?? 0)
  })
  return found === -1 ? undefined : found
}

/** The token that a key leads to: by one along the text, by a line up and down. */
function tokenTarget(tokens: readonly HTMLElement[], from: number, key: string): number | undefined {
  const last = tokens.length - 1
  if (key === 'ArrowLeft') return Math.max(0, from - 1)
  if (key === 'ArrowRight') return Math.min(last, from + 1)
  if (key === 'Home') return 0
  if (key === 'End') return last
  if (key !== 'ArrowUp' && key !== 'ArrowDown') return undefined
  const { offsetLeft, offsetTop } = tokens[from]!
  const step = key === 'ArrowDown' ? 1 : -1
  const ahead = tokens.findIndex((_, i) => (tokens[from + i * step]?.offsetTop ?? offsetTop) !== offsetTop)
  if (ahead === -1) return from
  const line = tokens[from + ahead * step]!.offsetTop
  const distance = (token: HTMLElement) => Math.abs(token.offsetLeft - offsetLeft)
  const onLine = tokens.flatMap((token, index) => (token.offsetTop === line ? [index] : []))
  return onLine.reduce((best, index) => (distance(tokens[index]!) < distance(tokens[best]!) ? index : best))
}
