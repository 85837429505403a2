import { DiopterError, throwIfAborted } from '../errors/index.ts'

/** How the hub is reached. */
export interface HubAccess {
  /** Address of the hub, `https://huggingface.co` unless HF_ENDPOINT says otherwise; no slash at the end. */
  readonly endpoint: string
  readonly token?: string | null | undefined
  readonly signal?: AbortSignal | undefined
}

/** The hub did not answer, or only with errors of its own: what is in the cache may still do. */
export class HubUnreachableError extends DiopterError {
  override name = 'HubUnreachableError'
}

/** A hub that answers with errors may recover; one that cannot be reached at all is most often no network. */
const attemptsAnswered = 5
const attemptsUnreached = 3
const longestWaitSeconds = 60
const maximumRedirects = 10

/**
 * A `fetch` for the hub: the token goes to the hub's own origin only and never along a redirect to another host;
 * 429 and 5xx answers and lost connections are tried again, waiting as `retry-after` says, within bounds.
 * @throws HubUnreachableError when no attempt succeeds.
 */
export function hubFetch({ endpoint, token, signal }: HubAccess): typeof fetch {
  const origin = new URL(endpoint).origin
  return async (input, init) => {
    const url = String(input instanceof Request ? input.url : input)
    for (let attempt = 1; ; attempt++) {
      let problem: string
      let attempts = attemptsAnswered
      let seconds = 0.5 * 2 ** (attempt - 1)
      try {
        const response = await followRedirects(url, { signal, ...init }, origin, token)
        if (response.status !== 429 && response.status < 500) return response
        await response.body?.cancel()
        problem = `status ${response.status}`
        seconds = retryAfterSeconds(response.headers.get('retry-after')) ?? seconds
      } catch (error) {
        throwIfAborted(signal)
        if (error instanceof DiopterError) throw error
        problem = error instanceof Error ? causeOf(error) : String(error)
        attempts = attemptsUnreached
      }
      if (attempt >= attempts || seconds > longestWaitSeconds) {
        const wait = seconds > longestWaitSeconds ? ` It asks to wait ${Math.ceil(seconds)} s.` : ''
        throw new HubUnreachableError(
          `${new URL(url).origin} cannot be used now (${problem}; ${attempt} ${attempt === 1 ? 'try' : 'tries'}).${wait}`,
        )
      }
      await sleep(seconds, signal)
    }
  }
}

async function followRedirects(
  url: string,
  init: RequestInit,
  tokenOrigin: string,
  token: string | null | undefined,
): Promise<Response> {
  for (let hop = 0; hop <= maximumRedirects; hop++) {
    const headers = new Headers(init.headers)
    if (token && new URL(url).origin === tokenOrigin) headers.set('authorization', `Bearer ${token}`)
    const response = await fetch(url, { ...init, headers, redirect: 'manual' })
    // Browsers do not show where a redirect leads; they drop the token themselves when it leaves the origin.
    if (response.type === 'opaqueredirect') return fetch(url, { ...init, headers, redirect: 'follow' })
    const location = response.headers.get('location')
    if (response.status < 300 || response.status >= 400 || location === null) return response
    await response.body?.cancel()
    url = new URL(location, url).href
  }
  throw new DiopterError(`${url} redirects more than ${maximumRedirects} times.`)
}

/** Seconds from a `retry-after` header, which is a number or a date. */
export function retryAfterSeconds(header: string | null): number | undefined {
  if (header === null) return undefined
  const seconds = /^\d+$/.test(header.trim()) ? Number(header) : (Date.parse(header) - Date.now()) / 1000
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds)
}

/** `fetch` says only "fetch failed"; the reason is in the cause. */
function causeOf(error: Error): string {
  return error.cause instanceof Error ? error.cause.message || error.message : error.message
}

/** Waits, or throws the signal's reason as soon as it is aborted. */
export async function sleep(seconds: number, signal: AbortSignal | undefined): Promise<void> {
  throwIfAborted(signal)
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, seconds * 1000)
    function done(): void {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    signal?.addEventListener('abort', done)
  })
  throwIfAborted(signal)
}

/** The error for a status that trying again does not mend. */
export function statusError(
  status: number,
  headers: Headers,
  what: string,
  endpoint: string,
  hasToken: boolean,
): DiopterError {
  const code = headers.get('x-error-code')
  if (status === 401) {
    const advice = hasToken
      ? 'The token is not valid or may not read it.'
      : 'It does not exist, or is private or gated: for those, set HF_TOKEN (or run "hf auth login").'
    return new DiopterError(`${endpoint} does not give ${what} (401). ${advice}`)
  }
  if (status === 403) {
    return new DiopterError(
      `${endpoint} refuses ${what} (403). A gated model needs its conditions accepted on its page, by the account of the token.`,
    )
  }
  if (status === 404) {
    const missing =
      code === 'RevisionNotFound' ? 'There is no such revision.' : 'There is no such model, revision or file.'
    return new DiopterError(`${endpoint} does not have ${what} (404). ${missing} Check the spelling.`)
  }
  return new DiopterError(`${endpoint} answered ${status} for ${what}${code ? ` (${code})` : ''}.`)
}
