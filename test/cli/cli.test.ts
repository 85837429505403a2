import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commands } from '../../src/cli/commands/index.ts'
import { readSafetensorsHeader } from '../../src/hub/checkpoint.ts'
import { openFolder } from '../../src/hub/node/folder.ts'
import { startHubServer } from '../../src/hub/node/hub-server.fixture.ts'
import { writeSafetensors } from '../../src/hub/safetensors-write.ts'
import { type BuiltCli, buildCli, sharedFolder } from '../support/cli.ts'

const stories = '../shared/checkpoints/stories260K'
const references = '../shared/reference/huggingface'
const hasShared = existsSync(join(sharedFolder, 'checkpoints'))

let cli: BuiltCli
beforeAll(async () => {
  cli = await buildCli()
})
afterAll(() => cli.remove())

/** The numbers of a JSON output; fails where it is not JSON or the command failed. */
async function json(...args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await cli.run([...args, '--json'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as Record<string, unknown>
}

describe('the program', () => {
  it('lists every command, and every command has help with examples', async () => {
    const { stdout, code } = await cli.run([])
    expect(code).toBe(0)
    for (const { name } of commands) {
      expect(stdout).toContain(`  ${name}`)
      const help = await cli.run([name, '--help'])
      expect(help.code).toBe(0)
      expect(help.stdout).toMatch(new RegExp(`Examples:\n( .*\n)*  diopter ${name}`))
    }
  })

  it('starts without loading the engine', async () => {
    const source = await readFile(cli.entry, 'utf8')
    expect(source).toMatch(/^#!\/usr\/bin\/env node/)
    expect(source).not.toMatch(/^import .*onnxruntime/m)
  })

  it.each([
    ['no such command', ['lenz'], "unknown command 'lenz'\n(Did you mean lens?)"],
    ['no such option', ['info', 'x', '--jsn'], "unknown option '--jsn'\n(Did you mean --json?)"],
    ['a missing argument', ['generate'], "missing required argument 'prompt'"],
    ['a number that is none', ['generate', 'a', '--tokens', 'many'], 'It must be a whole number from 0.'],
    ['a choice that is none', ['patch', '--what', 'residual'], 'Allowed choices are resid_pre'],
    ['two models', ['info', 'a', '--model', 'b'], 'Which model: a, or --model b?'],
    ['processing that is none', ['lens', 'a', '--process', 'fold'], '"fold" is none of fold_ln'],
  ])('%s is wrong usage: exit code 2, one sentence', async (_, args, message) => {
    const { code, stdout, stderr } = await cli.run(args)
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain(message)
  })

  it.each([
    ['a folder that is not there', ['info', './nowhere'], 'There is no folder ./nowhere.'],
    ['a folder without a model', ['info', '.'], 'has no file config.json'],
    ['a model that the cache does not have', ['info', 'owner/name', '--offline'], 'owner/name'],
  ])('%s is a failure: exit code 1, one sentence', async (_, args, message) => {
    const { code, stdout, stderr } = await cli.run(args)
    expect(code).toBe(1)
    expect(stdout).toBe('')
    expect(stderr).toContain(message)
    expect(stderr).not.toContain('    at ')
  })
})

describe.skipIf(!hasShared)('models, info and verify (skipped without ../shared)', () => {
  it('info says what a model is without reading weights', async () => {
    const { config, parameters, memory, hookPoints, weights } = await json('info', stories)
    expect(config).toMatchObject({ n_layers: 5, n_heads: 8, d_model: 64 })
    expect(parameters).toBe(260032)
    expect(memory).toMatchObject({ weightBytes: 1040128 })
    expect(hookPoints).toContainEqual({
      name: 'blocks.4.attn.hook_k',
      axes: ['batch', 'pos', 'n_key_value_heads', 'd_head'],
      shape: ['batch', 'pos', 4, 8],
    })
    expect(weights).toContainEqual({ name: 'embed.W_E', shape: [512, 64] })
  })

  it('info fits a narrow terminal', async () => {
    const { stdout } = await cli.run(['info', '--model', stories], { COLUMNS: '60' })
    expect(stdout).toContain('blocks.{l}.attn.hook_pattern')
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(60)
  })

  const folders = hasShared ? ['gpt2', 'gptj', 'gemma2', 'llama-bf16-sharded', 'mistral_sw'] : []
  it.each(folders)('verify %s agrees with its reference', async (name) => {
    const { ok, against, maxAbsLogits, maxAbsHiddenStates, maxAbsAttentions } = await json(
      'verify',
      `${references}/${name}`,
    )
    expect({ ok, against }).toEqual({ ok: true, against: 'reference' })
    for (const worst of [maxAbsLogits, maxAbsHiddenStates, maxAbsAttentions]) expect(worst).toBeLessThan(1e-4)
  })

  it('verify holds a model without a reference against itself', async () => {
    const { ok, against, checks, maxAbsLogits } = await json('verify', stories)
    expect({ ok, against, maxAbsLogits }).toEqual({ ok: true, against: 'self', maxAbsLogits: null })
    const names = (checks as { name: string }[]).map(({ name }) => name)
    expect(names).toEqual(
      expect.arrayContaining(['padding parity', 'batch = single', 'resident = inputs', 'cached decoding = full run']),
    )
  })

  /** A copy of the reference of gpt2 whose expected logits are `logits`. */
  async function withLogits(name: string, change: (logits: Float32Array) => void): Promise<void> {
    const folder = join(cli.folder, name)
    await mkdir(folder)
    for (const file of ['config.json', 'model.safetensors', 'tokens.json'])
      await cp(join(sharedFolder, 'reference', 'huggingface', 'gpt2', file), join(folder, file))
    const source = await openFolder(join(sharedFolder, 'reference', 'huggingface', 'gpt2'))
    const { entries } = await readSafetensorsHeader(source, 'expected.safetensors')
    const { shape, file, begin, end } = entries.get('logits')!
    const data = new Float32Array((await source.readRange(file, begin, end)).buffer)
    change(data)
    await writeFile(join(folder, 'expected.safetensors'), writeSafetensors({ logits: { dtype: 'F32', shape, data } }))
  }

  it('verify compares logits alone where only these are given', async () => {
    await withLogits('only-logits', () => undefined)
    const result = await json('verify', './only-logits')
    expect(result).toMatchObject({ ok: true, maxAbsHiddenStates: null, maxAbsAttentions: null })
  })

  it.each([
    ['one wrong logit', 'wrong', (logits: Float32Array) => logits.fill(logits[3]! + 1e-3, 3, 4)],
    ['an infinite logit', 'infinite', (logits: Float32Array) => logits.fill(Number.POSITIVE_INFINITY, 3, 4)],
    ['NaN', 'nan', (logits: Float32Array) => logits.fill(Number.NaN, 3, 4)],
  ])('verify fails for %s', async (_, name, change) => {
    await withLogits(name, change)
    const { code, stdout } = await cli.run(['verify', `./${name}`, '--json'])
    expect(code).toBe(1)
    const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: { name: string; outside: number }[] }
    expect(ok).toBe(false)
    expect(checks.find((check) => check.name === 'logits')?.outside).toBe(1)
    const shown = await cli.run(['verify', `./${name}`])
    expect(shown.stdout).toContain('FAILS')
    expect(shown.stdout).toContain('is NOT verified')
  })

  it('models lists the hub cache', async () => {
    expect((await cli.run(['models'])).stdout).toMatch(/In the hub cache, .*: none\./)
    const commit = '0123456789abcdef0123456789abcdef01234567'
    const cached = join(cli.folder, '..', 'hub', 'models--owner--stories', 'snapshots', commit)
    await mkdir(cached, { recursive: true })
    for (const file of await readdir(join(cli.folder, stories)))
      await cp(join(cli.folder, stories, file), join(cached, file))
    const other = join(cli.folder, '..', 'hub', 'models--owner--mamba', 'snapshots', commit)
    await mkdir(other, { recursive: true })
    await writeFile(join(other, 'config.json'), '{"model_type": "mamba"}')
    await cp(join(cached, 'model.safetensors'), join(other, 'model.safetensors'))
    const { cached: list } = await json('models')
    expect(list).toEqual([
      expect.objectContaining({ name: 'owner/mamba', architecture: 'mamba', supported: false }),
      expect.objectContaining({ name: 'owner/stories', revision: commit, architecture: 'llama', supported: true }),
    ])
  })
})

describe.skipIf(!hasShared)('a model of the hub (skipped without ../shared)', () => {
  it('is downloaded with progress in bytes, then found offline', async () => {
    const folder = join(cli.folder, stories)
    const names = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']
    const files = Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, new Uint8Array(await readFile(join(folder, name)))] as const)),
    )
    const server = await startHubServer('owner/hubbed', files, 'a'.repeat(40))
    const args = ['generate', 'Once', '--tokens', '3', '--raw', '--model', 'owner/hubbed']
    const online = { HF_ENDPOINT: server.endpoint, HF_HUB_OFFLINE: '0' }
    const first = await cli.run([...args, '--progress'], online)
    await server.close()
    expect(first.code).toBe(0)
    expect(first.stderr).toMatch(/download model\.safetensors: .* of 1\.1 MB \(\d+%\)/)
    const offline = await cli.run([...args, '--offline'], online)
    expect(offline).toEqual({ code: 0, stderr: '', stdout: first.stdout })
  })
})

describe.skipIf(!hasShared)('generate and capture (skipped without ../shared)', () => {
  it('generate --raw prints the reference continuation byte for byte', async () => {
    const { stdout, code } = await cli.run(['generate', '', '--tokens', '200', '--greedy', '--raw', '--model', stories])
    expect(code).toBe(0)
    expect(stdout).toBe(await readFile(join(sharedFolder, 'checkpoints/stories260K/expected-greedy.txt'), 'utf8'))
  })

  it('generate streams the same text after the prompt', async () => {
    const args = ['generate', 'One day, Tim', '--tokens', '12', '--model', stories]
    const [shown, raw] = [await cli.run(args), await cli.run([...args, '--raw'])]
    expect(shown.stdout).toBe(`One day, Tim${raw.stdout}\n`)
    expect(shown.stderr).toMatch(/^12 tokens in /)
  })

  it('generate samples the same with the same seed, and stops before a stop text', async () => {
    const sample = (seed: string) =>
      cli.run([
        'generate',
        'One day',
        '--tokens',
        '20',
        '--temperature',
        '1',
        '--seed',
        seed,
        '--raw',
        '--model',
        stories,
      ])
    const [first, again, other] = [await sample('1'), await sample('1'), await sample('2')]
    expect(first.stdout).toBe(again.stdout)
    expect(first.stdout).not.toBe(other.stdout)
    const stopped = await cli.run(['generate', 'Once upon a time', '--tokens', '60', '--stop', '.', '--model', stories])
    expect(stopped.stdout).toMatch(/^Once upon a time[^.]+\n$/)
  })

  it('generate takes and gives token ids where there is no tokenizer', async () => {
    const { stdout } = await cli.run([
      'generate',
      '[46,85,40]',
      '--tokens',
      '4',
      '--raw',
      '--model',
      `${references}/llama`,
    ])
    expect(JSON.parse(stdout)).toHaveLength(4)
    const text = await cli.run(['generate', 'Hello', '--model', `${references}/llama`])
    expect(text).toMatchObject({ code: 1, stdout: '' })
    expect(text.stderr).toContain('no tokenizer.json, so prompts must be lists of token ids')
  })

  it('generate with an edit says something else', async () => {
    const args = ['generate', 'Once upon a time', '--tokens', '10', '--raw', '--model', stories]
    const [plain, edited] = [await cli.run(args), await cli.run([...args, '--edit', 'zero blocks.*.hook_mlp_out'])]
    expect(edited.code).toBe(0)
    expect(edited.stdout).not.toBe(plain.stdout)
  })

  it.each([
    ['a hook that is not there', ['--edit', 'zero blocks.0.attn.hook_zz'], 1, 'Near: blocks.0.attn.hook_z'],
    ['an edit that cannot be read', ['--edit', 'zap hook_embed'], 2, 'An edit is KIND HOOK'],
    [
      'an edit file that is not there',
      ['--edit', 'add hook_embed value=@none.json'],
      2,
      'Cannot read none.json: there is no such file',
    ],
    ['a head that is not there', ['--edit', 'zero blocks.0.attn.hook_z head=8'], 1, 'asks for head 8; there are 8'],
    ['greedy sampling', ['--greedy', '--temperature', '1'], 1, 'greedy'],
  ])('%s is refused', async (_, args, code, message) => {
    const result = await cli.run(['generate', 'One day', '--model', stories, ...args])
    expect(result).toMatchObject({ code, stdout: '' })
    expect(result.stderr).toContain(message)
  })

  it('capture writes a safetensors file with provenance', async () => {
    const out = join(cli.folder, 'acts.safetensors')
    const { code, stderr } = await cli.run([
      'capture',
      'Once upon a time',
      '--hook',
      'blocks.*.hook_resid_post',
      '--model',
      stories,
      '--out',
      out,
    ])
    expect({ code, stderr }).toEqual({ code: 0, stderr: `Wrote 5 arrays, 6.4 kB, to ${out}.\n` })
    const { entries, metadata } = await readSafetensorsHeader(await openFolder(cli.folder), 'acts.safetensors')
    expect(entries.get('blocks.4.hook_resid_post')).toMatchObject({ dtype: 'F32', shape: [1, 5, 64] })
    expect(JSON.parse(metadata.prompts!)).toEqual(['Once upon a time'])
  })

  it('capture refuses what it cannot do, before the work', async () => {
    const args = ['capture', 'Once', '--model', stories]
    expect(await cli.run(args)).toMatchObject({ code: 2, stderr: expect.stringContaining('Say what to read') })
    const missing = await cli.run([...args, '--hook', 'hook_embed', '--out', './none/a.safetensors'])
    expect(missing).toMatchObject({
      code: 2,
      stderr: 'diopter: Cannot write ./none/a.safetensors: there is no folder ./none.\n',
    })
    const folder = await cli.run([...args, '--hook', 'hook_embed', '--out', '.'])
    expect(folder).toMatchObject({ code: 2, stderr: 'diopter: Cannot write .: it is a folder.\n' })
    const picture = await cli.run([...args, '--hook', 'hook_embed', '--svg', 'a.svg'])
    expect(picture).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining("unknown option '--svg'") })
    const bad = await cli.run([...args, '--hook', 'blocks.*.hook_resid_pst'])
    expect(bad.stderr).toContain('Near: blocks.0.hook_resid_post')
  })

  it('Ctrl-C keeps what was generated, and says so', async () => {
    const { code, stdout, stderr } = await cli.runInterrupted(
      ['generate', 'Once upon a time', '--tokens', '450', '--model', stories],
      /Once upon/,
    )
    expect(code).toBe(130)
    expect(stdout).toMatch(/^Once upon a time, /)
    expect(stderr).toContain('Interrupted: this is a partial result.')
  })
})
