import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createService } from '../../src/workbench/service/create-service.ts'
import { httpTransport } from '../../src/workbench/service/http-transport.ts'
import type { StreamEvent } from '../../src/workbench/service/messages.ts'
import type { Service } from '../../src/workbench/service/service.ts'
import { eventsOf, readEvents, startTestServer, type TestServer } from '../support/workbench-server.ts'

// The job process of these tests only plays: see test/support/played-job-process.mjs.

let server: TestServer
beforeEach(async () => {
  server = await startTestServer({ limits: { patience: 200, waiting: 3, questions: 4 } })
})
afterEach(() => server.close())

const kinds = (events: readonly Record<string, unknown>[]) => events.map(({ kind }) => kind)

/** A job that runs: its next events, and its end. */
async function begun(kind: string) {
  const connection = new AbortController()
  const response = await server.post({ kind }, { signal: connection.signal })
  const events = readEvents(response)
  const first = (await events.next()).value as { id: number }
  const second = (await events.next()).value as { kind: string }
  expect([first, second.kind]).toEqual([{ kind: 'started', id: expect.any(Number) }, 'progress'])
  const rest = async () => {
    const all: Record<string, unknown>[] = []
    for await (const event of events) all.push(event)
    return all
  }
  const cancel = () => server.ask(`/api/jobs/${first.id}`, { method: 'DELETE' })
  return { id: first.id, rest, cancel, disconnect: () => connection.abort() }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Waits until something is so; the test's own time limit is the only one. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10))
}

describe('jobs', () => {
  it('are carried out one after the other by one process, and hear how many are before them', async () => {
    const running = await begun('work')
    const waiting = [await server.post({ kind: 'echo', text: 'a' }), await server.post({ kind: 'echo', text: 'b' })]
    const first = eventsOf(waiting[0]!)
    const second = eventsOf(waiting[1]!)
    expect((await running.cancel()).status).toBe(202)
    expect(await running.rest()).toEqual([{ kind: 'done', answer: 'a part' }])
    expect(kinds(await first)).toEqual(['queued', 'started', 'done'])
    const events = await second
    expect(kinds(events)).toEqual(['queued', 'queued', 'started', 'done'])
    expect(events.slice(0, 2).map(({ ahead }) => ahead)).toEqual([2, 1])
    expect(events.at(-1)).toMatchObject({ answer: { said: 'b', by: server.jobProcess } })
  })

  it('too many are refused, and later ones taken again', async () => {
    const running = await begun('work')
    const waiting = await Promise.all([1, 2, 3].map(() => server.post({ kind: 'echo' })))
    const refused = await server.post({ kind: 'echo' })
    expect(refused.status).toBe(429)
    expect(await refused.json()).toEqual({ message: expect.stringMatching(/too much to do/) })
    await running.cancel()
    for (const response of waiting) expect(kinds(await eventsOf(response)).at(-1)).toBe('done')
    expect(kinds(await eventsOf(await server.post({ kind: 'echo' })))).toEqual(['started', 'done'])
  })

  it('one that waits is cancelled before it begins', async () => {
    const running = await begun('work')
    const events = readEvents(await server.post({ kind: 'echo' }))
    const { id } = (await events.next()).value as { id: number }
    await server.ask(`/api/jobs/${id}`, { method: 'DELETE' })
    expect((await events.next()).value).toMatchObject({ kind: 'cancelled', message: 'Cancelled before it began.' })
    await running.cancel()
    expect(kinds(await running.rest())).toEqual(['done'])
  })

  it('one that does not stop is killed with its process, and the next one has a new process', async () => {
    const hanging = await begun('hang')
    const killed = server.jobProcess!
    const next = eventsOf(await server.post({ kind: 'echo', text: 'next' }))
    await hanging.cancel()
    expect(await hanging.rest()).toEqual([{ kind: 'cancelled', message: expect.stringMatching(/stopped by force/) }])
    expect((await next).at(-1)).toMatchObject({ kind: 'done', answer: { said: 'next' } })
    expect(server.jobProcess).not.toBe(killed)
    expect(exists(killed)).toBe(false)
  })

  it('closing the connection cancels, by force where needed', async () => {
    for (const kind of ['work', 'hang']) {
      const running = await begun(kind)
      running.disconnect()
      const next = await eventsOf(await server.post({ kind: 'echo', text: kind }))
      expect(next.at(-1)).toMatchObject({ kind: 'done', answer: { said: kind } })
    }
  })

  it('when the process is killed the job fails with a sentence, and the next one is done', async () => {
    const running = await begun('work')
    process.kill(server.jobProcess!, 'SIGKILL')
    expect(await running.rest()).toEqual([
      {
        kind: 'failed',
        expected: true,
        message: expect.stringMatching(/was ended by SIGKILL.*The next request starts it again/),
      },
    ])
    expect(kinds(await eventsOf(await server.post({ kind: 'echo' })))).toEqual(['started', 'done'])
  })

  it('when the process ends by itself the job fails', async () => {
    const events = await eventsOf(await server.post({ kind: 'exit' }))
    expect(events.at(-1)).toMatchObject({ kind: 'failed', message: expect.stringMatching(/exited with code 3/) })
    expect(kinds(await eventsOf(await server.post({ kind: 'echo' })))).toEqual(['started', 'done'])
  })

  it('a process that was killed while nothing ran is started again', async () => {
    await eventsOf(await server.post({ kind: 'echo' }))
    process.kill(server.jobProcess!, 'SIGKILL')
    await until(() => server.jobProcess === undefined)
    expect(kinds(await eventsOf(await server.post({ kind: 'echo' })))).toEqual(['started', 'done'])
  })

  it('a job that is over cannot be cancelled', async () => {
    const [started] = await eventsOf(await server.post({ kind: 'echo' }))
    for (const id of [started!.id, 0, 'x', -1])
      expect((await server.ask(`/api/jobs/${id}`, { method: 'DELETE' })).status).toBe(404)
  })

  it('an answer of 20 million characters arrives whole', async () => {
    const events = await eventsOf(await server.post({ kind: 'long', characters: 2e7 }))
    expect((events.at(-1)!.answer as string).length).toBe(2e7)
  })
})

describe('small questions', () => {
  it('are answered beside a job that runs', async () => {
    const running = await begun('work')
    expect(kinds(await eventsOf(await server.post({ kind: 'tokenize' })))).toEqual(['started', 'done'])
    await running.cancel()
    expect(kinds(await running.rest())).toEqual(['done'])
  })

  it('survive that the job beside them is killed', async () => {
    const hanging = await begun('hang')
    await new Promise((resolve) => setTimeout(resolve, 60)) // the process is in its loop
    const question = eventsOf(await server.post({ kind: 'tokenize', text: 'again' }))
    await hanging.cancel()
    expect(kinds(await hanging.rest())).toEqual(['cancelled'])
    expect((await question).at(-1)).toMatchObject({ kind: 'done', answer: { said: 'again' } })
  })

  it('too many at once are refused', async () => {
    const hanging = await begun('hang')
    await new Promise((resolve) => setTimeout(resolve, 60))
    const asked = await Promise.all([1, 2, 3, 4].map(() => server.post({ kind: 'align' })))
    expect((await server.post({ kind: 'align' })).status).toBe(429)
    for (const { body } of asked) await body?.cancel()
    await hanging.cancel()
    await hanging.rest()
  })
})

describe('closing the server', () => {
  it('ends what runs, tells it, and leaves no process', async () => {
    const other = await startTestServer()
    const running = eventsOf(await other.post({ kind: 'hang' }))
    await until(() => other.jobProcess !== undefined)
    const pid = other.jobProcess!
    await new Promise((resolve) => setTimeout(resolve, 100))
    await other.close()
    // Its connection may be closed before the last line is read.
    const events = await running.catch(() => undefined)
    if (events) expect(events.at(-1)).toMatchObject({ kind: 'cancelled' })
    expect(exists(pid)).toBe(false)
    await expect(fetch(other.site)).rejects.toThrow()
  })
})

describe('the service over HTTP', () => {
  let service: Service
  beforeEach(() => {
    service = createService('node', httpTransport({ address: server.site, token: server.token }))
  })
  afterEach(() => service.dispose())
  /** Asks what only the played process knows. */
  const ask = (kind: string, more = {}, options = {}) =>
    service.ask(kind as 'models', more as Record<never, never>, options) as Promise<unknown>

  it('gives events and the answer', async () => {
    expect(await ask('echo', { text: 'hello' })).toMatchObject({ said: 'hello' })
  })

  it('a cancelled job answers what it has', async () => {
    const controller = new AbortController()
    const onEvent = () => controller.abort()
    expect(await ask('work', {}, { signal: controller.signal, onEvent })).toBe('a part')
  })

  it('a job that was stopped by force rejects with the reason of the abort', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const onEvent = () => controller.abort(reason)
    await expect(ask('hang', {}, { signal: controller.signal, onEvent })).rejects.toBe(reason)
    expect(await ask('echo', { text: 'next' })).toMatchObject({ said: 'next' })
  })

  it('hears that it waits', async () => {
    const running = await begun('work')
    const heard: StreamEvent[] = []
    const answer = ask('echo', { text: 'a' }, { onEvent: (event: StreamEvent) => heard.push(event) })
    await until(() => heard.length > 0)
    await running.cancel()
    await answer
    expect(heard).toEqual([
      { kind: 'progress', progress: { phase: 'waiting for other work', done: 0, total: 1, unit: 'jobs' } },
    ])
  })

  it('an abort before the start asks nothing', async () => {
    await expect(ask('echo', {}, { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no')
    expect(server.jobProcess).toBeUndefined()
  })

  it('refusals and failures are sentences', async () => {
    const stranger = createService('node', httpTransport({ address: server.site, token: 'x' }))
    await expect(stranger.ask('models', {})).rejects.toMatchObject({
      name: 'DiopterError',
      message: expect.stringMatching(/token/),
    })
    await expect(ask('exit')).rejects.toMatchObject({ name: 'DiopterError', message: expect.stringMatching(/code 3/) })
  })

  it('a server that is gone is a sentence, before and while it works', async () => {
    const other = await startTestServer()
    const lost = createService('node', httpTransport({ address: other.site, token: other.token }))
    let heard = 0
    const running = lost.ask('work' as 'models', {}, { onEvent: () => heard++ })
    running.catch(() => undefined)
    await until(() => heard > 0)
    await other.close()
    await expect(running).rejects.toMatchObject({ name: 'DiopterError' })
    await expect(lost.ask('models', {})).rejects.toThrow(/Is `diopter workbench` still running/)
  })
})
