import { describe, expect, it } from 'vitest'
import type { Model } from '../../lab/index.ts'
import type { ModelSpec } from '../../runs/index.ts'
import { OpenModels } from './open-models.ts'

/** A shelf whose models weigh 10 bytes each, and a record of what was opened and closed. */
function shelf({ limit = 25, revision = null as string | null, wait = async () => {} } = {}) {
  const record: string[] = []
  const models = new OpenModels(async ({ ref }, { backend, signal, onProgress }) => {
    record.push(`open ${ref} ${backend}`)
    onProgress?.({ phase: 'loading', done: 0, total: 1 })
    await wait()
    signal?.throwIfAborted()
    const dispose = async () => void record.push(`close ${ref}`)
    return { revision, memory: { weightBytes: 10 }, dispose } as unknown as Model
  }, limit)
  const use = (spec: ModelSpec | string, options = {}) =>
    models.use(typeof spec === 'string' ? { ref: spec } : spec, { backend: 'cpu', ...options }, (model) => model)
  return { models, record, use }
}

describe('models that stay open', () => {
  it('are opened once for each reference, revision, processing and backend', async () => {
    const { record, use } = shelf({ limit: 1000 })
    const first = await use('a')
    expect(await use('a')).toBe(first)
    expect(await use({ ref: 'a', processing: { fold_ln: false } })).toBe(first)
    expect(await use({ ref: 'a', processing: { fold_ln: true } })).not.toBe(first)
    expect(await use({ ref: 'a', revision: 'b' })).not.toBe(first)
    expect(await use('a@b')).toBe(await use({ ref: 'a', revision: 'b' }))
    await use('a', { backend: 'webgpu' })
    expect(record).toEqual(['open a cpu', 'open a cpu', 'open a cpu', 'open a webgpu'])
  })

  it("are known by the commit that a result's spec names", async () => {
    const { record, use } = shelf({ revision: 'c0ffee' })
    await use('a')
    await use({ ref: 'a', revision: 'c0ffee' })
    expect(record).toEqual(['open a cpu'])
  })

  it('are closed when they take too much, the one that was not used for longest first', async () => {
    const { record, use } = shelf()
    for (const ref of ['a', 'b', 'a', 'c', 'a']) await use(ref)
    expect(record).toEqual(['open a cpu', 'open b cpu', 'open c cpu', 'close b'])
  })

  it('stay while they are used, and the last one always', async () => {
    const { models, record, use } = shelf({ limit: 5 })
    await models.use({ ref: 'a' }, { backend: 'cpu' }, async () => {
      await use('b')
      expect(record).toEqual(['open a cpu', 'open b cpu'])
    })
    expect(record).toEqual(['open a cpu', 'open b cpu', 'close a'])
    await use('b')
    expect(record.length).toBe(3)
  })

  it('two who ask at once wait for one opening, and both hear its progress', async () => {
    const { record, use } = shelf()
    const heard: string[] = []
    const second = { onProgress: () => heard.push('second') }
    const [a, b] = await Promise.all([use('a', { onProgress: () => heard.push('first') }), use('a', second)])
    expect(a).toBe(b)
    expect(record).toEqual(['open a cpu'])
    expect(heard).toContain('first')
  })

  it('an opening goes on while one waits, and is given up when nobody does', async () => {
    let go = () => {}
    const gate = new Promise<void>((resolve) => (go = resolve))
    const { record, use } = shelf({ wait: () => gate })
    const [first, second] = [new AbortController(), new AbortController()]
    const asked = [use('a', { signal: first.signal }), use('a', { signal: second.signal })]
    first.abort(new Error('first'))
    await expect(asked[0]).rejects.toThrow('first')
    second.abort(new Error('second'))
    await expect(asked[1]).rejects.toThrow('second')
    const third = use('a')
    go()
    await third
    expect(record).toEqual(['open a cpu', 'open a cpu'])
  })

  it('one that could not be opened is tried again', async () => {
    let fails = true
    const { record, use } = shelf({
      wait: async () => {
        if (fails) throw new Error('no')
      },
    })
    await expect(use('a')).rejects.toThrow('no')
    fails = false
    await use('a')
    expect(record).toEqual(['open a cpu', 'open a cpu'])
  })

  it('are all closed in the end', async () => {
    const { models, record, use } = shelf()
    await use('a')
    await use('b')
    await models.dispose()
    expect(record.slice(2)).toEqual(['close a', 'close b'])
  })
})
