import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Progress } from '../../errors/index.ts'
import { openCheckpoint } from '../checkpoint.ts'
import { writeSafetensors } from '../safetensors-write.ts'
import { hubSettings } from './environment.ts'
import { type HubServer, startHubServer } from './hub-server.fixture.ts'
import { type ResolveOptions, resolveModel } from './resolve.ts'

const id = 'owner/tiny'
const commit = 'a'.repeat(40)
const bytes = (text: string) => new TextEncoder().encode(text)
const weights = writeSafetensors({
  w: { dtype: 'F32', shape: [50_000], data: Float32Array.from({ length: 50_000 }, (_, i) => i) },
})
const repository = () => ({
  '.gitattributes': bytes('x'),
  'README.md': bytes('# tiny'),
  'config.json': bytes('{"model_type":"gpt2"}'),
  'tokenizer.json': bytes('{}'),
  'model.safetensors': weights,
  'pytorch_model.bin': bytes('pickle'),
  'onnx/model.safetensors': bytes('other'),
})

let root: string
let server: HubServer
let options: ResolveOptions & { cacheDir: string }
const modelFolder = () => join(root, 'hub', 'models--owner--tiny')
const blobs = async () => (await readdir(join(modelFolder(), 'blobs'))).sort()

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'diopter-hub-'))
  server = await startHubServer(id, repository(), commit)
  options = { cacheDir: join(root, 'hub'), endpoint: server.endpoint, token: null, offline: false }
})
afterEach(async () => {
  await server.close()
  await rm(root, { recursive: true })
})

async function expectWhole(): Promise<void> {
  const { source } = await resolveModel(id, { ...options, offline: true })
  const values = await (await openCheckpoint(source)).readFloat32('w')
  expect(values.every((value, i) => value === i)).toBe(true)
}

describe('a download', () => {
  test('lands in the standard layout, holds only what a model needs, and reports bytes', async () => {
    const reports: Progress[] = []
    const model = await resolveModel(id, { ...options, onProgress: (progress) => reports.push(progress) })
    expect(model).toMatchObject({ id, origin: 'hub', revision: commit, note: null })
    expect(model.source.files).toEqual(['config.json', 'model.safetensors', 'tokenizer.json'])
    const link = join(modelFolder(), 'snapshots', commit, 'model.safetensors')
    expect(await readlink(link)).toBe(`../../blobs/${server.blobOf('model.safetensors')}`)
    expect(await blobs()).toEqual(
      ['config.json', 'model.safetensors', 'tokenizer.json'].map((path) => server.blobOf(path)).sort(),
    )
    // What `git hash-object` gives for these bytes.
    const configLink = await readlink(join(modelFolder(), 'snapshots', commit, 'config.json'))
    expect(configLink).toBe('../../blobs/681c693376013230a961d427942459a2ac613f60')
    expect(await readFile(join(modelFolder(), 'refs', 'main'), 'utf8')).toBe(commit)
    const total = weights.length + '{"model_type":"gpt2"}{}'.length
    expect(reports.at(-1)).toMatchObject({ done: total, total, unit: 'bytes' })
    expect((await openCheckpoint(model.source)).revision).toBe(commit)
    await expectWhole()
  })

  test('is not repeated, and a new commit fetches only what changed', async () => {
    await resolveModel(id, options)
    server.seen.length = 0
    await resolveModel(id, options)
    expect(server.seen.filter(({ path }) => path.includes('resolve'))).toEqual([])
    server.commit = 'b'.repeat(40)
    server.files = { ...server.files, 'config.json': bytes('{"model_type":"llama"}') }
    const model = await resolveModel(id, options)
    expect(model.revision).toBe('b'.repeat(40))
    expect(
      server.seen.filter(({ path }) => path.includes('resolve')).map(({ path }) => path.split('/').at(-1)),
    ).toEqual(['config.json'])
    // The old commit stays, and needs no network.
    server.seen.length = 0
    expect(await (await resolveModel(`${id}@${commit}`, options)).source.readText('config.json')).toContain('gpt2')
    expect(server.seen).toEqual([])
  })

  test('the token goes to the hub, never to the host that it redirects to', async () => {
    server.token = 'secret-token'
    await resolveModel(id, { ...options, token: 'secret-token' })
    expect(
      server.seen
        .filter(({ host }) => host === 'hub')
        .every((request) => request.authorization === 'Bearer secret-token'),
    ).toBe(true)
    const elsewhere = server.seen.filter(({ host }) => host === 'files')
    expect(elsewhere.map(({ authorization }) => authorization)).toEqual([undefined])
  })

  test('a cut connection continues by range within one call', async () => {
    server.faults.set('model.safetensors', [
      { kind: 'cut', after: 70_000 },
      { kind: 'cut', after: 60_000 },
    ])
    await resolveModel(id, options)
    const ranges = server.seen.filter(({ host }) => host === 'files').map(({ range }) => range)
    expect(ranges).toEqual([undefined, 'bytes=70000-', 'bytes=130000-'])
    await expectWhole()
  })

  test('cancelled, it keeps what has arrived; the next call continues', async () => {
    const controller = new AbortController()
    server.faults.set('model.safetensors', [{ kind: 'cut', after: 70_000 }])
    const onProgress = ({ phase, done }: Progress) => {
      if (phase.includes('model.safetensors') && done > 60_000) controller.abort()
    }
    await expect(resolveModel(id, { ...options, signal: controller.signal, onProgress })).rejects.toThrow('abort')
    const left = (await blobs()).filter((file) => file.endsWith('.incomplete'))
    expect(left).toEqual([`${server.blobOf('model.safetensors')}.incomplete`])
    const kept = (await stat(join(modelFolder(), 'blobs', left[0]!))).size
    expect(kept).toBeGreaterThan(0)
    expect(existsSync(join(modelFolder(), 'refs', 'main'))).toBe(false)
    server.seen.length = 0
    await resolveModel(id, options)
    expect(server.seen.find(({ host }) => host === 'files')?.range).toBe(`bytes=${kept}-`)
    await expectWhole()
    expect((await blobs()).filter((file) => file.endsWith('.incomplete'))).toEqual([])
  })

  test.each<[string, string]>([
    ['model.safetensors', 'sha256'],
    ['config.json', 'git-sha1'],
  ])('a flipped byte in %s is found and never enters the cache', async (path, hash) => {
    server.faults.set(path, [{ kind: 'flip', at: 5 }])
    await expect(resolveModel(id, options)).rejects.toThrow(
      `${path} is damaged: its ${hash} should be ${server.blobOf(path)}`,
    )
    expect(await blobs()).not.toContain(server.blobOf(path))
    expect((await blobs()).filter((file) => file.includes('incomplete'))).toEqual([])
    expect(existsSync(join(modelFolder(), 'snapshots', commit, path))).toBe(false)
    await resolveModel(id, options)
    await expectWhole()
  })

  test('a damaged rest of an earlier download is replaced', async () => {
    const blob = server.blobOf('model.safetensors')
    await mkdir(join(modelFolder(), 'blobs'), { recursive: true })
    await writeFile(join(modelFolder(), 'blobs', `${blob}.incomplete`), new Uint8Array(1000))
    await resolveModel(id, options)
    expect(server.seen.filter(({ host }) => host === 'files').map(({ range }) => range)).toEqual([
      'bytes=1000-',
      undefined,
    ])
    await expectWhole()
  })

  test('a server that ignores the range starts again', async () => {
    server.faults.set('model.safetensors', [{ kind: 'cut', after: 70_000 }, { kind: 'ignore-range' }])
    await resolveModel(id, options)
    await expectWhole()
  })

  test.each(['short', 'long'] as const)('a wrong size (%s) is refused', async (kind) => {
    server.faults.set('model.safetensors', [{ kind }])
    await expect(resolveModel(id, options)).rejects.toThrow(
      `should have ${weights.length} bytes, but the server offers ${weights.length + (kind === 'long' ? 1 : -1)} bytes`,
    )
    expect(await blobs()).not.toContain(server.blobOf('model.safetensors'))
  })

  test('more bytes than announced are refused', async () => {
    server.faults.set('model.safetensors', [{ kind: 'long-unannounced' }])
    await expect(resolveModel(id, options)).rejects.toThrow(
      `should have ${weights.length} bytes, but the server sends more`,
    )
    expect((await blobs()).filter((file) => file.includes(server.blobOf('model.safetensors')))).toEqual([])
  })

  test('429 waits as retry-after says, within bounds; 5xx is tried again', async () => {
    server.faults.set('api', [{ kind: 'status', status: 429, headers: { 'retry-after': '0' } }])
    server.faults.set('model.safetensors', [{ kind: 'status', status: 503 }])
    await resolveModel(id, options)
    expect(server.seen.filter(({ path }) => path.includes('/revision/'))).toHaveLength(2)
    expect(server.seen.filter(({ host }) => host === 'files')).toHaveLength(2)
    await expectWhole()
    server.commit = 'c'.repeat(40)
    server.faults.set('api', [{ kind: 'status', status: 429, headers: { 'retry-after': '3600' } }])
    const model = await resolveModel(id, options)
    expect(model.note).toMatch(/status 429; 1 try\). It asks to wait 3600 s. The copy in the cache is used/)
  })

  test('401, 403 and 404 say what to do', async () => {
    await expect(resolveModel('owner/nothing', options)).rejects.toThrow('owner/nothing@main (404)')
    await expect(resolveModel(`${id}@no-such-branch`, options)).rejects.toThrow('Check the spelling')
    server.faults.set('model.safetensors', [{ kind: 'status', status: 403 }])
    await expect(resolveModel(id, options)).rejects.toThrow('conditions accepted')
    server.token = 'secret-token'
    await expect(resolveModel(id, options)).rejects.toThrow('set HF_TOKEN')
    await expect(resolveModel(id, { ...options, token: 'wrong-token' })).rejects.toThrow('token is not valid')
  })

  test('two downloads at once do not disturb each other', async () => {
    server.faults.set('model.safetensors', [
      { kind: 'cut', after: 50_000 },
      { kind: 'cut', after: 90_000 },
    ])
    await Promise.all([resolveModel(id, options), resolveModel(id, options), resolveModel(id, options)])
    await expectWhole()
    expect((await blobs()).every((file) => /^[0-9a-f]+$/.test(file))).toBe(true)
  })

  test('what a dead process left under its own name is continued', async () => {
    await resolveModel(id, options)
    const blob = server.blobOf('model.safetensors')
    const place = join(modelFolder(), 'blobs', blob)
    await rm(place)
    const { hostname } = await import('node:os')
    const host = hostname().replace(/[^\w]/g, '_').slice(0, 32)
    await writeFile(`${place}.${host}-4194999-0badcafe.incomplete`, weights.subarray(0, 1234))
    server.seen.length = 0
    await resolveModel(id, options)
    expect(server.seen.find(({ host }) => host === 'files')?.range).toBe('bytes=1234-')
    await expectWhole()
  })

  test('pickles are refused before anything is fetched', async () => {
    const { 'model.safetensors': _, ...rest } = repository()
    server.files = rest
    await expect(resolveModel(id, options)).rejects.toThrow('can run any code')
    expect(server.seen.filter(({ path }) => path.includes('resolve'))).toEqual([])
  })

  test('shards: those that the index names', async () => {
    const tensor = (value: number) => ({ w: { dtype: 'F32' as const, shape: [1], data: Float32Array.of(value) } })
    const { 'model.safetensors': _, ...rest } = repository()
    server.files = {
      ...rest,
      'model.safetensors.index.json': bytes(JSON.stringify({ weight_map: { w: 'model-00001-of-00001.safetensors' } })),
      'model-00001-of-00001.safetensors': writeSafetensors(tensor(3)),
      'consolidated.safetensors': writeSafetensors(tensor(4)),
    }
    const { source } = await resolveModel(id, options)
    expect(source.files).not.toContain('consolidated.safetensors')
    expect(await (await openCheckpoint(source)).readFloat32('w')).toEqual(Float32Array.of(3))
  })
})

describe('the cache', () => {
  test('a model that Python downloaded is found offline through refs', async () => {
    const blob = server.blobOf('model.safetensors')
    const snapshot = join(modelFolder(), 'snapshots', commit)
    for (const folder of ['blobs', 'refs', `snapshots/${commit}`])
      await mkdir(join(modelFolder(), folder), { recursive: true })
    await writeFile(join(modelFolder(), 'blobs', blob), weights)
    await writeFile(join(modelFolder(), 'blobs', 'c0ffee'), '{"model_type":"gpt2"}')
    await symlink(`../../blobs/${blob}`, join(snapshot, 'model.safetensors'))
    await symlink('../../blobs/c0ffee', join(snapshot, 'config.json'))
    await writeFile(join(modelFolder(), 'refs', 'main'), commit)
    await server.close()
    const { source } = await resolveModel(id, { ...options, offline: true })
    expect(source.localPath!('model.safetensors')).toMatch(new RegExp(`blobs/${blob}$`))
    await expectWhole()
    // The hub does not answer: the copy is used, and the result says so.
    expect((await resolveModel(id, options)).note).toContain('The copy in the cache is used')
  })

  test('offline without a copy, or with an incomplete one', async () => {
    await expect(resolveModel(id, { ...options, offline: true })).rejects.toThrow('is not in the cache at')
    await resolveModel(id, options)
    await rm(join(modelFolder(), 'blobs', server.blobOf('model.safetensors')))
    await expect(resolveModel(id, { ...options, offline: true })).rejects.toThrow('is not complete in the cache')
  })
})

describe('references', () => {
  test('a folder, a bundled name, and what is neither', async () => {
    const folder = join(root, 'model')
    await mkdir(folder)
    await expect(resolveModel(folder, options)).resolves.toMatchObject({ origin: 'folder', revision: null })
    await writeFile(join(folder, 'config.json'), '{}')
    const bundled = new Map([['shipped', folder]])
    expect(await resolveModel('shipped', { ...options, bundled })).toMatchObject({ id: 'shipped', origin: 'bundled' })
    // What comes with the package is known by name, unless other folders take its place.
    expect(await resolveModel('text', options)).toMatchObject({ id: 'text', origin: 'bundled' })
    await expect(resolveModel('superposition', options)).rejects.toThrow(/ships, but is no transformer.*diopter models/)
    await expect(resolveModel('text', { ...options, bundled, offline: true })).rejects.toThrow('is not in the cache')
    await expect(resolveModel(join(folder, 'config.json'), options)).rejects.toThrow('is a file; give the folder')
    await expect(resolveModel('./nowhere', options)).rejects.toThrow('There is no folder ./nowhere')
    for (const ref of ['a b', 'owner/..', 'name@../x', 'a--b', '']) {
      await expect(resolveModel(ref, options)).rejects.toThrow('is no model reference')
    }
    await expect(resolveModel(`${id}@main`, { ...options, revision: 'other' })).rejects.toThrow('the option says other')
  })
})

describe('hubSettings', () => {
  test('reads the environment as Hugging Face tools do', async () => {
    expect(
      await hubSettings({}, { HF_HOME: '/h', HF_ENDPOINT: 'https://mirror/', HF_TOKEN: ' t ', HF_HUB_OFFLINE: '1' }),
    ).toEqual({
      cacheDir: '/h/hub',
      endpoint: 'https://mirror',
      token: 't',
      offline: true,
    })
    expect((await hubSettings({}, { HF_HUB_CACHE: '/c', HF_HOME: '/h' })).cacheDir).toBe('/c')
    expect((await hubSettings({}, { XDG_CACHE_HOME: '/x' })).cacheDir).toBe('/x/huggingface/hub')
    expect((await hubSettings({}, {})).cacheDir).toMatch(/\.cache\/huggingface\/hub$/)
    await writeFile(join(root, 'token'), 'from-file\n')
    expect((await hubSettings({}, { HF_HOME: root })).token).toBe('from-file')
    expect((await hubSettings({ token: null }, { HF_TOKEN: 't' })).token).toBe(null)
    await expect(hubSettings({ endpoint: 'hub' }, {})).rejects.toThrow('not an http or https address')
  })
})
