const STORED = 'diopter-token'

/** The token that an address brings; null where it brings none. */
export function tokenIn({ hash }: Pick<Location, 'hash'>): string | null {
  return new URLSearchParams(hash.replace(/^#/, '')).get('token')
}

/**
 * The token of the local server's launch: what the address brings (`#token=...`), or brought before the page was reloaded. It is
 * taken out of the address, so that links do not carry it. Null on hosts that are no such server.
 */
export function takeToken(page: Window): string | null {
  const brought = tokenIn(page.location)
  try {
    if (brought === null) return page.sessionStorage.getItem(STORED)
    page.sessionStorage.setItem(STORED, brought)
  } catch {
    // A browser that keeps nothing knows the token until the page is reloaded.
  }
  const parameters = new URLSearchParams(page.location.hash.replace(/^#/, ''))
  parameters.delete('token')
  const rest = parameters.toString()
  page.history.replaceState(
    null,
    '',
    `${page.location.pathname}${page.location.search}${rest === '' ? '' : `#${rest}`}`,
  )
  return brought
}
