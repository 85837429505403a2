import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createService } from '../../src/workbench/service/create-service.ts'
import { httpTransport } from '../../src/workbench/service/http-transport.ts'
import { buildEntries } from '../support/build-entries.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A package of its own: the program and the job process, built, beside the shipped models. */
let home: string
beforeAll(async () => {
  const built = await buildEntries({
    'cli/main': 'src/cli/main.ts',
    'workbench-node/job-process': 'src/workbench/node/job-process.ts',
  })
  home = await realpath(await mkdtemp(join(tmpdir(), 'diopter-package-')))
  await cp(built.folder, join(home, 'dist'), { recursive: true })
  await built.remove()
  await writeFile(join(home, 'dist/workbench-node/job-process.js'), "import './job-process.mjs'")
  await writeFile(join(home, 'package.json'), '{ "version": "0.0.0", "type": "module" }')
  await symlink(join(root, 'node_modules'), join(home, 'node_modules'))
  await symlink(join(root, 'checkpoints'), join(home, 'checkpoints'))
})
afterAll(() => rm(home, { recursive: true }))

const withPage = async () => {
  await mkdir(join(home, 'dist/workbench'), { recursive: true })
  await writeFile(join(home, 'dist/workbench/index.html'), '<title>Workbench</title>')
}

interface Running {
  readonly child: ChildProcess
  readonly address: URL
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>
}

/** Starts `diopter workbench` and waits for its address, or for its end. */
async function start(...flags: string[]): Promise<Running> {
  const child = spawn(process.execPath, [join(home, 'dist/cli/main.mjs'), 'workbench', '--no-open', ...flags], {
    cwd: home,
    env: { ...process.env, HF_HUB_OFFLINE: '1', HF_HUB_CACHE: join(home, 'hub') },
  })
  const seen = { stdout: '', stderr: '' }
  child.stderr.on('data', (data: Buffer) => (seen.stderr += data.toString()))
  const ended: Running['ended'] = new Promise((resolve) => child.on('close', (code) => resolve({ code, ...seen })))
  const address = await new Promise<string>((resolve) => {
    child.stdout.on('data', (data: Buffer) => {
      seen.stdout += data.toString()
      const line = /^Workbench: (\S+)\n/.exec(seen.stdout)
      if (line) resolve(line[1]!)
    })
    void ended.then(() => resolve('http://ended'))
  })
  return { child, address: new URL(address), ended }
}

const serviceOf = ({ origin, hash }: URL) =>
  createService('node', httpTransport({ address: origin, token: new URLSearchParams(hash.slice(1)).get('token')! }))

describe('diopter workbench', () => {
  it('says how the page is built when it is not', async () => {
    const { code, stdout, stderr } = await (await start('--port', '0')).ended
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/page is not at .*npm start/)
  })

  it('prints its address, serves page and engine, and Ctrl-C ends all of it', async () => {
    await withPage()
    const running = await start('--port', '0')
    const { address } = running
    expect(address.hostname).toBe('127.0.0.1')
    expect(await (await fetch(address)).text()).toContain('<title>Workbench</title>')
    const service = serviceOf(address)
    const models = await service.ask('models', {})
    expect(models.find(({ ref }) => ref === 'text')).toMatchObject({ origin: 'shipped', problem: null })
    expect(models.find(({ ref }) => ref === 'text')!.title.length).toBeGreaterThan(4)
    const { backend } = await service.ask('open', { model: { ref: 'text' }, backend: 'cpu' })
    expect(backend).toBe('onnxruntime-node cpu')
    running.child.kill('SIGINT')
    expect(await running.ended).toMatchObject({ code: 0 })
    await expect(fetch(address)).rejects.toThrow()
  })

  it('a signal to end is heard, too; a port that is taken is a sentence', async () => {
    await withPage()
    const running = await start('--port', '0')
    const second = await (await start('--port', running.address.port)).ended
    expect(second).toMatchObject({ code: 1, stderr: expect.stringMatching(/is taken by another program/) })
    running.child.kill('SIGTERM')
    expect(await running.ended).toMatchObject({ code: 0 })
  })

  it.skipIf(!existsSync('/proc'))(
    'leaves no job process when it is killed itself (skipped without /proc)',
    async () => {
      await withPage()
      const running = await start('--port', '0')
      const service = serviceOf(running.address)
      await service.ask('models', {})
      const children = async () => {
        const found: number[] = []
        for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
          const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
          if (text.includes(join(home, 'dist/workbench-node'))) found.push(Number(pid))
        }
        return found
      }
      expect((await children()).length).toBe(1)
      running.child.kill('SIGKILL')
      await running.ended
      while ((await children()).length > 0) await new Promise((resolve) => setTimeout(resolve, 20))
    },
  )

  it.each([
    ['--port', '70000', 'at most 65535'],
    ['--port', 'x', 'whole number'],
    ['--folder', './nowhere', 'There is no folder ./nowhere'],
  ])('%s %s is a sentence', async (flag, value, sentence) => {
    await withPage()
    const { code, stderr } = await (await start(flag, value)).ended
    expect(code).toBeGreaterThan(0)
    expect(stderr).toContain(sentence)
  })
})
