import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TOKEN_HEADER } from '../../src/workbench/service/http-transport.ts'
import { eventsOf, shippedInduction, startTestServer, type TestServer } from '../support/workbench-server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({
    shipped: [shippedInduction],
    limits: { body: { bytes: 2 ** 20, milliseconds: 300 } },
  })
})
afterAll(() => server.close())

/** After whatever happened, the server answers. */
async function expectAlive(): Promise<void> {
  const events = await eventsOf(await server.post({ kind: 'echo', text: 'alive' }))
  expect(events.at(-1)).toMatchObject({ kind: 'done', answer: { said: 'alive' } })
}

async function expectRefused(response: Response, status: number, sentence: RegExp): Promise<void> {
  expect({ status: response.status, ...((await response.json()) as object) }).toEqual({
    status,
    message: expect.stringMatching(sentence),
  })
  await expectAlive()
}

describe('who may ask', () => {
  it('a request without the token is refused', async () => {
    const response = await fetch(`${server.site}/api/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"kind":"echo"}',
    })
    await expectRefused(response, 401, /token is missing/)
  })

  it.each(['x', '', 'a'.repeat(32)])('a wrong token is refused: "%s"', async (token) => {
    await expectRefused(await server.post({ kind: 'echo' }, { headers: { [TOKEN_HEADER]: token } }), 401, /token/)
  })

  it('another launch has another token', async () => {
    const other = await startTestServer()
    expect(other.token).not.toBe(server.token)
    expect(other.token.length).toBeGreaterThanOrEqual(32)
    await other.close()
  })

  it.each([
    'evil.example',
    'evil.example:PORT',
    '127.0.0.1.evil.example:PORT',
    '127.0.0.1:1',
    'localhost',
    '0.0.0.0:PORT',
    '[::1]:PORT',
  ])('a foreign Host is refused, also for pages: %s', async (host) => {
    for (const path of ['/', '/api/jobs', '/models.json']) {
      const named = host.replace('PORT', String(server.port))
      const answer = await server.raw(`GET ${path} HTTP/1.1\r\nHost: ${named}\r\nConnection: close\r\n\r\n`)
      expect(answer).toMatch(/^HTTP\/1\.1 403 /)
      expect(answer).not.toContain('<title>')
    }
  })

  it('no Host at all is refused', async () => {
    expect(await server.raw('GET / HTTP/1.1\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
  })

  it.each(['http://evil.example', 'null', 'https://127.0.0.1:PORT', 'http://127.0.0.1:1', 'http://localhost:PORT'])(
    'a foreign Origin is refused: %s',
    async (origin) => {
      const headers = { origin: origin.replace('PORT', String(server.port)) }
      await expectRefused(await server.post({ kind: 'echo' }, { headers }), 403, /its own page only/)
      await expectRefused(await server.ask('/models.json', { headers }), 403, /its own page only/)
    },
  )

  it.each(['cross-site', 'same-site', 'none'])('a request that the browser calls %s is refused', async (site) => {
    const headers = { 'sec-fetch-site': site }
    const answer = await server.raw(
      `GET /models.json HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nSec-Fetch-Site: ${headers['sec-fetch-site']}\r\nConnection: close\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 403 /)
    await expectAlive()
  })

  it('its own page is answered, by either name of this machine', async () => {
    for (const host of [`127.0.0.1:${server.port}`, `localhost:${server.port}`]) {
      const answer = await server.raw(
        `GET /models.json HTTP/1.1\r\nHost: ${host}\r\nOrigin: http://${host}\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n\r\n`,
      )
      expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    }
  })

  it('nobody is given leave to ask from another page (CORS)', async () => {
    const response = await server.ask('/api/jobs', { method: 'OPTIONS' })
    expect(response.status).toBe(405)
    for (const { headers } of [response, await server.post({ kind: 'echo' }), await server.ask('/')])
      expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
  })

  it('listens on the loopback address alone', async () => {
    const { networkInterfaces } = await import('node:os')
    const others = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .filter(({ internal, family }) => !internal && family === 'IPv4')
    for (const { address } of others) {
      const reached = await new Promise((resolve) => {
        const socket = connect(server.port, address, () => resolve(true))
        socket.on('error', () => resolve(false))
      })
      expect(reached).toBe(false)
    }
  })
})

describe('what may be read', () => {
  const paths = [
    '/../secret.txt',
    '/assets/../../secret.txt',
    '/%2e%2e/secret.txt',
    '/%2e%2e%2fsecret.txt',
    '/..%2fsecret.txt',
    '/..%5csecret.txt',
    '/assets/%2e%2e/%2e%2e/secret.txt',
    '/%252e%252e/secret.txt',
    '//secret.txt',
    '/./../secret.txt',
    '/assets/..%00/secret.txt',
    '/index.html%00.js',
    '/.env',
    '/assets/.hidden',
    '/assets/',
    '/assets',
    '/link.txt',
    '/linked/secret.txt',
    '/models/induction-2l/../../secret.txt',
    '/models/induction-2l/%2e%2e%2f%2e%2e%2fpackage.json',
    '/models/..%2f..%2f/package.json',
    '/models/%2fetc/passwd',
    '/models/induction-2l/',
    '/models//etc/passwd',
    '/models',
  ]
  beforeAll(async () => {
    const { folder } = server
    await writeFile(join(folder, 'secret.txt'), 'SECRET')
    await writeFile(join(folder, 'page', '.env'), 'SECRET')
    await writeFile(join(folder, 'page', 'assets', '.hidden'), 'SECRET')
    await symlink(join(folder, 'secret.txt'), join(folder, 'page', 'link.txt'))
    await symlink(folder, join(folder, 'page', 'linked'))
  })

  it.each(paths)('no path leads out of the page: %s', async (path) => {
    // written as it is: fetch would tidy it
    const answer = await server.raw(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n${TOKEN_HEADER}: ${server.token}\r\nConnection: close\r\n\r\n`,
    )
    expect(answer).not.toContain('SECRET')
    expect(answer).not.toContain('root:')
    expect(answer).toMatch(path === '/models' ? /^HTTP\/1\.1 200 / : /^HTTP\/1\.1 40[04] /)
  })

  it.each(['http://evil.example/', '*', 'index.html', '/%zz', '/%ff'])(
    'an odd request target is refused: %s',
    async (target) => {
      const answer = await server.raw(
        `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nConnection: close\r\n\r\n`,
      )
      expect(answer).toMatch(/^HTTP\/1\.1 400 /)
      await expectAlive()
    },
  )

  it('a link that stays in the page is followed', async () => {
    await symlink(join(server.folder, 'page', 'assets', 'page-1a2b.js'), join(server.folder, 'page', 'again.js'))
    expect(await (await server.ask('/again.js')).text()).toBe('export {}')
  })

  it('folders of models are read with the token only, and only what a model is made of', async () => {
    const parent = await mkdir(join(server.folder, 'models', 'mine'), { recursive: true }).then(() =>
      join(server.folder, 'models'),
    )
    await writeFile(join(parent, 'mine', 'config.json'), '{"model_type":"gpt2"}')
    await writeFile(join(parent, 'mine', 'diary.doc'), 'SECRET')
    await symlink(join(server.folder, 'secret.txt'), join(parent, 'mine', 'linked.txt'))
    const other = await startTestServer({
      shipped: [shippedInduction],
      folders: [`${parent}/`],
    })
    const file = (name: string) => `/models/${encodeURIComponent(`${parent}/mine`)}/${name}`
    // It is no model yet: no weights. So it is listed as one that cannot be opened, and its files are still its own.
    expect((await other.ask(file('config.json'))).status).toBe(200)
    expect((await fetch(`${other.site}${file('config.json')}`)).status).toBe(404)
    expect((await other.ask(file('diary.doc'))).status).toBe(404)
    expect((await other.ask(file('linked.txt'))).status).toBe(404)
    await other.close()
  })
})

describe('what may be sent', () => {
  it('a body of more than 1 MiB is refused, whether it says so or not', async () => {
    const text = 'x'.repeat(2 ** 20)
    await expectRefused(await server.post({ kind: 'echo', text }), 413, /at most 1048576 bytes/)
    const pieces = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 20; i++) controller.enqueue(new TextEncoder().encode('x'.repeat(2 ** 16)))
        controller.close()
      },
    })
    const init = { body: pieces, duplex: 'half' } as RequestInit
    await expectRefused(await server.post(null, init), 413, /at most 1048576 bytes/)
  })

  it('a body that does not arrive is given up', async () => {
    const head = `POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n${TOKEN_HEADER}: ${server.token}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"kind":`
    const answer = await server.raw(head)
    expect(answer).toMatch(/^HTTP\/1\.1 408 /)
    expect(answer).toContain('did not arrive within 300 ms')
    await expectAlive()
  })

  it.each(['', '{', 'kind', '{"kind":"echo"', '\u0000', '{"kind":"echo"}}'])(
    'malformed JSON is refused: %s',
    async (body) => {
      await expectRefused(await server.post(null, { body }), 400, /no JSON/)
    },
  )

  it('bytes that are no UTF-8 are refused', async () => {
    await expectRefused(await server.post(null, { body: new Uint8Array([0x22, 0xff, 0x22]) }), 400, /no JSON/)
  })

  it('a form, which any page may send, is refused', async () => {
    const headers = { 'content-type': 'text/plain' }
    await expectRefused(await server.post({ kind: 'echo' }, { headers }), 415, /application\/json/)
  })

  it.each([
    ['GET', '/api/jobs', 'POST'],
    ['PUT', '/api/jobs', 'POST'],
    ['POST', '/api/jobs/1', 'DELETE'],
    ['POST', '/', 'GET, HEAD'],
    ['DELETE', '/models.json', 'GET, HEAD'],
  ])('%s %s is no method', async (method, path, allowed) => {
    const response = await server.ask(path, { method })
    expect(response.headers.get('allow')).toBe(allowed)
    await expectRefused(response, 405, /not/)
  })

  it.each(['/api', '/api/', '/api/files', '/api/jobs/1/2', '/api/jobs/'])('there is nothing at %s', async (path) => {
    await expectRefused(
      await server.ask(path, { method: 'DELETE' }),
      path.startsWith('/api/jobs/') ? 404 : 404,
      /no such/,
    )
  })

  it('what is no HTTP is refused', async () => {
    expect(await server.raw('hello\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
    expect(
      await server.raw(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nA: ${'x'.repeat(20_000)}\r\n\r\n`),
    ).toMatch(/^HTTP\/1\.1 4\d\d /)
    await expectAlive()
  })

  it('100 connections that close early do no harm', async () => {
    const head = `POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n${TOKEN_HEADER}: ${server.token}\r\nContent-Type: application/json\r\n`
    const body = JSON.stringify({ kind: 'work' })
    const texts = [
      '',
      'GET',
      head,
      `${head}Content-Length: 90\r\n\r\n{"ki`,
      `${head}Content-Length: ${body.length}\r\n\r\n${body}`,
    ]
    await Promise.all(Array.from({ length: 100 }, (_, i) => server.raw(texts[i % texts.length]!, 5 + (i % 40))))
    await expectAlive()
  })
})
