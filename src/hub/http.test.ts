import { afterEach, expect, test, vi } from 'vitest'
import { HubUnreachableError, hubFetch, retryAfterSeconds, sleep, statusError } from './http.ts'

afterEach(() => vi.unstubAllGlobals())

/** Answers requests by address, and records the token that each was sent. */
function stubFetch(answers: Record<string, () => Response>): [string, string | null][] {
  const sent: [string, string | null][] = []
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    sent.push([url, new Headers(init.headers).get('authorization')])
    return answers[url]!()
  })
  return sent
}
const redirect = (location: string) => () => new Response(null, { status: 307, headers: { location } })

test('the token stays with the hub, also when a redirect comes back to it', async () => {
  const sent = stubFetch({
    'https://hub/a': redirect('/b'),
    'https://hub/b': redirect('https://cdn/c'),
    'https://cdn/c': redirect('http://hub/d'),
    'http://hub/d': () => new Response('ok'),
  })
  const response = await hubFetch({ endpoint: 'https://hub', token: 't' })('https://hub/a')
  expect(await response.text()).toBe('ok')
  expect(sent).toEqual([
    ['https://hub/a', 'Bearer t'],
    ['https://hub/b', 'Bearer t'],
    ['https://cdn/c', null],
    ['http://hub/d', null],
  ])
})

test('a circle of redirects ends', async () => {
  stubFetch({ 'https://hub/a': redirect('/a') })
  await expect(hubFetch({ endpoint: 'https://hub' })('https://hub/a')).rejects.toThrow('redirects more than 10 times')
})

test('server errors are tried five times, a host that is not there three times', async () => {
  vi.useFakeTimers()
  try {
    const sent = stubFetch({
      'https://hub/a': () => new Response(null, { status: 500 }),
      'https://hub/b': () => {
        throw new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') })
      },
    })
    const call = hubFetch({ endpoint: 'https://hub' })
    const both = Promise.allSettled([call('https://hub/a'), call('https://hub/b')])
    await vi.runAllTimersAsync()
    const [answered, unreached] = (await both).map((result) => (result as PromiseRejectedResult).reason as Error)
    expect(answered).toBeInstanceOf(HubUnreachableError)
    expect(answered!.message).toContain('status 500; 5 tries')
    expect(unreached!.message).toContain('ECONNREFUSED; 3 tries')
    expect(sent).toHaveLength(8)
  } finally {
    vi.useRealTimers()
  }
})

test('retry-after as seconds or a date', () => {
  expect(retryAfterSeconds('7')).toBe(7)
  expect(retryAfterSeconds(new Date(Date.now() - 5000).toUTCString())).toBe(0)
  expect(retryAfterSeconds(new Date(Date.now() + 100_000).toUTCString())).toBeGreaterThan(50)
  expect(retryAfterSeconds('soon')).toBe(undefined)
  expect(retryAfterSeconds(null)).toBe(undefined)
})

test('a wait ends when the work is cancelled', async () => {
  const controller = new AbortController()
  const waiting = sleep(1000, controller.signal)
  controller.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow('enough')
})

test('other statuses are told as they are', () => {
  expect(statusError(418, new Headers({ 'x-error-code': 'Teapot' }), 'a/b', 'https://hub', false).message).toBe(
    'https://hub answered 418 for a/b (Teapot).',
  )
})
