import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Engine } from '../../src/engine/index.ts'
import { createNodeBackend } from '../../src/engine/node/backend.ts'
import { loadModel } from '../../src/lab/node/load-model.ts'
import { parseResult, type RunSpecInput, resultToJson, runSpec } from '../../src/runs/index.ts'
import { completeTrainingConfig } from '../../src/train/index.ts'
import { createService } from '../../src/workbench/service/create-service.ts'
import { httpTransport } from '../../src/workbench/service/http-transport.ts'
import type { StreamEvent } from '../../src/workbench/service/messages.ts'
import type { Service } from '../../src/workbench/service/service.ts'
import { type BuiltEntries, buildEntries } from '../support/build-entries.ts'
import { sharedFolder } from '../support/cli.ts'
import { runTinyTraining, TINY_TRAINING } from '../support/tiny-training.ts'
import {
  eventsOf,
  shippedInduction,
  shippedText,
  startTestServer,
  type TestServer,
} from '../support/workbench-server.ts'

// Real work in the real job process, built from source.

const stories = join(sharedFolder, 'checkpoints', 'stories260K')
const model = { ref: 'text' }
const cpu = { backend: 'cpu' } as const

let built: BuiltEntries
let server: TestServer
let service: Service
beforeAll(async () => {
  process.env.HF_HUB_OFFLINE = '1' // of the job process, too
  built = await buildEntries({ 'job-process': 'src/workbench/node/job-process.ts' })
  server = await startTestServer({
    shipped: [shippedText, shippedInduction],
    folders: existsSync(stories) ? [stories] : [],
    jobEntry: built.entry('job-process'),
  })
  service = createService('node', httpTransport({ address: server.site, token: server.token }))
})
afterAll(async () => {
  await service?.dispose()
  await server?.close()
  await built?.remove()
})

const patching: RunSpecInput = {
  version: 1,
  model,
  method: 'patch',
  prompts: [{ clean: 'He gave her the book.', corrupt: 'She gave her the book.', answer: ' He', wrong: ' She' }],
  parameters: { what: 'resid_pre' },
}

/** What is the same in every run of a spec. */
const comparable = ({ cost, ...result }: ReturnType<typeof parseResult>) => ({
  ...result,
  cost: { ...cost, milliseconds: 0, compiles: 0 },
})

describe('questions about models', () => {
  it('lists those that ship and those of the folders', async () => {
    const list = await service.ask('models', {})
    expect(list.slice(0, 2)).toEqual([
      { ref: 'text', title: 'text', about: '', bytes: 1, origin: 'shipped', problem: null },
      { ref: 'induction-2l', title: 'induction-2l', about: '', bytes: 1, origin: 'shipped', problem: null },
    ])
    if (existsSync(stories)) expect(list[2]).toMatchObject({ ref: stories, origin: 'folder', title: 'stories260K' })
  })

  it('opens a model and describes it; a second time nothing is loaded', async () => {
    const phases: string[] = []
    const onEvent = (event: StreamEvent) => {
      if (event.kind === 'progress') phases.push(event.progress.phase)
    }
    const opened = await service.ask('open', { model, ...cpu }, { onEvent })
    expect(opened).toMatchObject({
      ref: 'text',
      revision: null,
      hasTokenizer: true,
      parameters: 2557632,
      backend: 'onnxruntime-node cpu',
    })
    expect(opened.hookNames).toContain('blocks.0.hook_resid_pre')
    expect(phases.some((phase) => phase.startsWith('loading'))).toBe(true)
    phases.length = 0
    expect(await service.ask('open', { model, ...cpu }, { onEvent })).toEqual(opened)
    expect(phases).toEqual([])
  })

  it('reads texts as the model does, and aligns two', async () => {
    const direct = await loadModel(shippedText.folder)
    const { ids, tokens } = direct.tokenize('He gave her the book.')
    await direct.dispose()
    expect(await service.ask('tokenize', { model, ...cpu, text: 'He gave her the book.' })).toEqual({ ids, tokens })
    const { clean, alignment } = await service.ask('align', {
      model,
      ...cpu,
      clean: 'He gave her the book.',
      corrupt: 'She gave her the book.',
    })
    expect(clean.ids).toEqual(ids)
    expect(alignment).toMatchObject({ equalLength: true, explanation: expect.stringMatching(/differ at 1 position/) })
  })

  it.each<[string, object | string, RegExp]>([
    ['an unknown kind of request', { kind: 'opens' }, /There is no request of kind 'opens'; did you mean open\?/],
    ['no kind', {}, /says its `kind`: models, open/],
    ['no object', 'open', /says its `kind`/],
    ['a missing field', { kind: 'tokenize', model, ...cpu }, /text: is missing/],
    ['a field that is none', { kind: 'open', model, ...cpu, threads: 3 }, /there is no 'threads'/],
    ['a kind that every object has', { kind: 'constructor' }, /There is no request of kind 'constructor'/],
    ['a spec of an unknown method', { kind: 'run', spec: { ...patching, method: 'pach' } }, /did you mean patch/],
    ['a spec that is none', { kind: 'run', spec: {} }, /The spec is not valid/],
    ['an unknown model', { kind: 'open', model: { ref: 'texts' }, ...cpu }, /texts@main is not in the cache/],
    ['a folder that was not given', { kind: 'open', model: { ref: '/etc' }, ...cpu }, /not given the folder \/etc/],
    ['a folder beside it', { kind: 'open', model: { ref: '../shared' }, ...cpu }, /not given the folder|is no model/],
    ['a folder by a bare name', { kind: 'open', model: { ref: 'checkpoints' }, ...cpu }, /not in the cache/],
    ['a folder like a hub id', { kind: 'open', model: { ref: 'checkpoints/text' }, ...cpu }, /not in the cache/],
    ['a backend of the page', { kind: 'open', model, backend: 'wasm' }, /'wasm' runs in the page/],
    ['an unknown task', { kind: 'train', training: { task: 'addition2' }, ...cpu }, /There is no task 'addition2'/],
    [
      'a training that reads files',
      { kind: 'train', training: { task: 'text', config: { corpus: '/etc' } }, ...cpu },
      /reads no files such as \/etc\/train\.u16/,
    ],
  ])('%s is a sentence', async (_, request, sentence) => {
    const events = await eventsOf(await server.post(request))
    expect(events.at(-1)).toEqual({ kind: 'failed', expected: true, message: expect.stringMatching(sentence) })
  })
})

describe('runs', () => {
  it('stream progress and parts, and give what runSpec gives', async () => {
    const heard: StreamEvent[] = []
    const result = await service.ask('run', { spec: patching }, { onEvent: (event) => heard.push(event) })
    const direct = await loadModel('text', { bundled: new Map([['text', shippedText.folder]]) })
    const expected = await runSpec(patching, { openModel: async () => direct, onPartial: () => undefined })
    await direct.dispose()
    // With parts on the way, a sweep has smaller batches, which changes last bits: both have them.
    expect(result.complete).toBe(true)
    expect(comparable(result)).toEqual(comparable(parseResult(JSON.parse(resultToJson(expected)))))
    expect(heard.some(({ kind }) => kind === 'progress')).toBe(true)
    const partial = heard.find((event) => event.kind === 'partial')
    expect(partial).toMatchObject({ result: { complete: false, spec: { method: 'patch' } } })
  })

  it('generate streams its text, and a cancelled one keeps what it has', async () => {
    const spec: RunSpecInput = {
      version: 1,
      model,
      method: 'generate',
      prompts: ['The'],
      parameters: { tokens: 200, greedy: true },
    }
    const controller = new AbortController()
    let text = ''
    const onEvent = (event: StreamEvent) => {
      if (event.kind !== 'token') return
      text += event.text
      if (text.length > 20) controller.abort()
    }
    const result = await service.ask('run', { spec }, { signal: controller.signal, onEvent })
    const { continuations } = result.values as { continuations: { text: string; stoppedBy: string; ids: number[] }[] }
    expect(result.complete).toBe(false)
    expect(continuations[0]).toMatchObject({ stoppedBy: 'cancelled' })
    expect(continuations[0]!.ids.length).toBeGreaterThan(1)
    expect(continuations[0]!.ids.length).toBeLessThan(200)
    expect(continuations[0]!.text.startsWith(text.slice(0, 20))).toBe(true)
    expect((await service.ask('tokenize', { model, ...cpu, text: 'next' })).ids.length).toBeGreaterThan(0)
  })

  it('a sweep that is cancelled keeps the cells that are done', async () => {
    const controller = new AbortController()
    const onEvent = ({ kind }: StreamEvent) => kind === 'partial' && controller.abort()
    const { complete, values } = await service.ask('run', { spec: patching }, { signal: controller.signal, onEvent })
    expect(complete).toBe(false)
    const cells = JSON.stringify(values)
    expect(cells).toMatch(/null/)
    expect(cells).toMatch(/\[-?\d+\.\d+/)
  })

  it.skipIf(!existsSync(stories))('a folder that was given is opened (skipped without ../shared)', async () => {
    const { parameters, ref } = await service.ask('open', { model: { ref: stories }, ...cpu })
    expect({ parameters, ref }).toEqual({ parameters: 260032, ref: stories })
  })

  it('results of a failed run name what is wrong', async () => {
    const spec = { ...patching, model: { ref: 'induction-2l' } }
    await expect(service.ask('run', { spec })).rejects.toMatchObject({
      name: 'DiopterError',
      message: expect.stringMatching(/no tokenizer/),
    })
  })
})

describe('training', () => {
  it('streams its log, and ends with the numbers that it has elsewhere', async () => {
    const heard: StreamEvent[] = []
    const training = completeTrainingConfig(TINY_TRAINING)
    const answer = await service.ask('train', { training, ...cpu }, { onEvent: (event) => heard.push(event) })
    const engine = new Engine({ backend: createNodeBackend() })
    expect(answer).toEqual({ log: await runTinyTraining(engine), complete: true, seconds: expect.any(Number) })
    await engine.dispose()
    const streamed = heard.flatMap((event) => (event.kind === 'log' ? event.entries : []))
    expect(streamed).toEqual(answer.log)
  })

  it('is cancelled in the middle, keeps what is done, and the next request is answered', async () => {
    const controller = new AbortController()
    const training = completeTrainingConfig({ ...TINY_TRAINING, steps: 10_000_000 })
    const onEvent = (event: StreamEvent) => {
      if (event.kind === 'log' && event.entries.at(-1)!.step > 20) controller.abort()
    }
    const { log, complete } = await service.ask('train', { training, ...cpu }, { signal: controller.signal, onEvent })
    expect(complete).toBe(false)
    expect(log.at(-1)!.step).toBeGreaterThan(20)
    expect(log.at(-1)!.step).toBeLessThan(10_000_000)
    expect((await service.ask('models', {})).length).toBeGreaterThan(0)
    // The job before is over: another one begins.
    expect((await service.ask('open', { model, ...cpu })).ref).toBe('text')
  })

  it('divergence is said, with the log until then', async () => {
    const training = completeTrainingConfig({
      ...TINY_TRAINING,
      clip: undefined,
      optimiser: { name: 'sgd', learningRate: 1e30 },
    })
    const heard: StreamEvent[] = []
    const asked = service.ask('train', { training, ...cpu }, { onEvent: (event) => heard.push(event) })
    await expect(asked).rejects.toThrow(/training diverged/)
    const streamed = heard.flatMap((event) => (event.kind === 'log' ? event.entries : []))
    expect(streamed.some(({ values }) => Object.values(values).some((value) => Number.isNaN(value)))).toBe(true)
  })
})

describe('a run that never pauses', () => {
  it('is stopped by force, and the next request opens its model again', async () => {
    const hasty = await startTestServer({
      shipped: [shippedText],
      jobEntry: built.entry('job-process'),
      limits: { patience: 1 },
    })
    const own = createService('node', httpTransport({ address: hasty.site, token: hasty.token }))
    const controller = new AbortController()
    // Many steps in one graph: a single native call that lasts for seconds.
    const training = completeTrainingConfig({
      task: 'modular-addition',
      config: { p: 59 },
      steps: 1000,
      stepsPerRun: 4,
      logEvery: 1,
    })
    let pid: number | undefined
    const asked = own.ask(
      'train',
      { training, ...cpu },
      {
        signal: controller.signal,
        onEvent(event) {
          if (event.kind !== 'log' || event.entries.at(-1)!.step < 4) return
          pid = hasty.jobProcess
          controller.abort(new Error('enough'))
        },
      },
    )
    await expect(asked).rejects.toThrow('enough')
    expect((await own.ask('open', { model, ...cpu })).ref).toBe('text')
    expect(hasty.jobProcess).not.toBe(pid)
    await own.dispose()
    await hasty.close()
  })
})
