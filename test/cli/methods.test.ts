import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commands } from '../../src/cli/commands/index.ts'
import {
  ABLATABLE,
  ABLATION_KINDS,
  ANSWER_METRICS,
  DECOMPOSITIONS,
  METRICS,
  PATCH_BY,
  PATCH_WHATS,
  SUBSPACE_SOURCES,
  SUBSPACE_WHATS,
} from '../../src/methods/index.ts'
import { type BuiltCli, buildCli, sharedFolder, shellWords } from '../support/cli.ts'

const stories = '../shared/checkpoints/stories260K'
const pair = { clean: 'Lily was happy.', corrupt: 'Tim was happy.', answer: ' She', wrong: ' He' }
const pairFlags = Object.entries(pair).flatMap(([name, text]) => [`--${name}`, text])

let cli: BuiltCli
beforeAll(async () => {
  cli = await buildCli()
})
afterAll(() => cli.remove())

/** What a command that went well may write on stderr. */
const NOTES = /^(Wrote .*|Edit of .*|\d+ tokens in .*|.*: finished at step .*|\d+ of \d+ trainings are finished\.)\n/gm

const run = (args: readonly string[], environment?: Readonly<Record<string, string>>) =>
  cli.run([...args, '--model', stories], environment)

async function json(args: readonly string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await run([...args, '--json'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as Record<string, unknown>
}

describe.skipIf(!existsSync(sharedFolder))('methods on the command line (skipped without ../shared)', () => {
  // The workbench runs until it is ended: it has a test of its own.
  const examples = commands.filter(({ name }) => name !== 'workbench').flatMap(({ examples }) => examples)
  it.each(examples)('the example works: %s', async (example) => {
    const { code, stdout, stderr } = await cli.run(shellWords(example))
    expect({ code, stderr: stderr.replaceAll(NOTES, '') }).toEqual({
      code: 0,
      stderr: '',
    })
    expect(stdout).not.toBe('')
  })

  it('patch prints raw metric values by layer and position', async () => {
    const { metric, direction, values, axes, clean, corrupt } = await json([
      'patch',
      ...pairFlags,
      '--what',
      'resid_pre',
    ])
    expect(metric).toMatch(/logit.difference/)
    expect(direction).toBe('clean_into_corrupted')
    const cells = values as number[][]
    expect([cells.length, ...new Set(cells.map((row) => row.length))]).toEqual([5, 5])
    expect(axes).toMatchObject({ layer: expect.anything(), position: expect.anything() })
    // The prompts differ at one token: with its embedding patched, the corrupted run is the clean one.
    expect(cells[0]![1]).toBeCloseTo(clean as number, 3)
    expect(cells[0]![0]).toBeCloseTo(corrupt as number, 3)
    expect(clean as number).toBeGreaterThan(0)
    expect(corrupt as number).toBeLessThan(0)
  })

  it('patch in the other direction, and over pairs', async () => {
    const other = await json(['patch', ...pairFlags, '--direction', 'corrupted_into_clean'])
    expect((other.values as number[][])[0]![1]).toBeCloseTo(other.corrupt as number, 3)
    const pairs = join(cli.folder, 'pairs.jsonl')
    await writeFile(
      pairs,
      `${JSON.stringify(pair)}\n\n${JSON.stringify({ ...pair, clean: 'Lily was big.', corrupt: 'Tim was big.' })}\n`,
    )
    const { values } = await json(['patch', '--pairs', pairs])
    expect(values as number[][]).toHaveLength(5)
  })

  it.each([
    [
      'an answer of two tokens lists its pieces',
      ['patch', ...pairFlags.with(5, ' elephant')],
      1,
      /" elephant" is \d tokens: .*One is needed/,
    ],
    [
      'an answer without its space says so',
      ['patch', ...pairFlags.with(5, 'She')],
      1,
      /With a leading space, " She" is one token/,
    ],
    ['half a pair', ['patch', '--clean', 'a'], 2, /Patching needs --clean, --corrupt and --answer/],
    ['pairs and prompts', ['patch', '--pairs', 'x.jsonl', '--clean', 'a'], 2, /leave out --clean/],
    [
      'a pairs file that is not there',
      ['patch', '--pairs', 'x.jsonl'],
      2,
      /Cannot read x.jsonl: there is no such file/,
    ],
    ['no prompt', ['ablate', '--answer', ' She'], 2, /Give a prompt, or --pairs FILE.jsonl/],
    [
      'an output that cannot be written',
      ['lens', 'a', '--svg', './none/x.svg'],
      2,
      /Cannot write .\/none\/x.svg: there is no folder/,
    ],
    ['a layer that is not there', ['ablate', 'Lily was', '--answer', ' big', '--layers', '7'], 1, /7/],
  ] as const)('%s', async (_, args, code, message) => {
    const result = await run(args)
    expect(result).toMatchObject({ code, stdout: '' })
    expect(result.stderr).toMatch(message)
    expect(result.stderr).not.toContain('    at ')
  })

  it('prompts of unequal length are aligned, and that is explained', async () => {
    const { code, stdout } = await run(['patch', ...pairFlags.with(3, 'Tim was very happy.')])
    expect(code).toBe(0)
    expect(stdout).toContain('The clean prompt has 5 tokens, the corrupted one 6.')
    expect(stdout).toMatch(/\(nothing\) +3: " very"/)
    expect(stdout).toContain('1 of 1 do not; the first of them has 5 tokens against 6')
  })

  it('offers the choices that the methods have', () => {
    const choices = (name: string, long: string) =>
      commands.find((command) => command.name === name)!.options.find((option) => option.long === long)!.argChoices
    expect(choices('patch', '--what')).toEqual(PATCH_WHATS)
    expect(choices('patch', '--by')).toEqual(PATCH_BY)
    expect(choices('patch', '--metric')).toEqual(ANSWER_METRICS)
    expect(choices('ablate', '--metric')).toEqual(METRICS)
    expect(choices('ablate', '--what')).toEqual(ABLATABLE)
    expect(choices('ablate', '--kind')).toEqual(ABLATION_KINDS)
    expect(choices('patch-subspace', '--what')).toEqual(SUBSPACE_WHATS)
    expect(choices('patch-subspace', '--subspace')).toEqual(SUBSPACE_SOURCES)
    expect(choices('patch-subspace', '--metric')).toEqual(ANSWER_METRICS)
    expect([...choices('attribute', '--by')!].sort()).toEqual([...DECOMPOSITIONS].sort())
  })

  it('says how often edits fired', async () => {
    const edit = ['--edit', 'scale blocks.*.hook_mlp_out by=0.5']
    const { stdout } = await run(['lens', 'Once upon a time', ...edit])
    expect(stdout).toContain('Edit of blocks.*.hook_mlp_out (scale): fired 5 times, at 5 hooks')
    const { edits } = JSON.parse((await run(['lens', 'Once upon a time', ...edit, '--json'])).stdout)
    expect(edits).toMatchObject([{ hook: 'blocks.*.hook_mlp_out', kind: 'scale', fired: 5 }])
  })

  it.each([
    [['ablate', 'Once', '--what', 'mlp', '--heads', '1'], 1, "what is ablated is 'mlp'"],
    [['patch', ...pairFlags, '--what', 'mlp_out', '--neurons', '3'], 1, "'mlp_out' is patched by position, whole"],
    [['attribute', 'Once upon'], 2, 'Give --answer'],
  ])('%s: nothing is ignored, nothing is guessed', async (args, code, message) => {
    const result = await run(args)
    expect(result).toMatchObject({ code, stdout: '' })
    expect(result.stderr).toContain(message)
  })

  it('a wrong field of a pairs file is named', async () => {
    await writeFile(join(cli.folder, 'typo.jsonl'), '{"promt": "Once", "answer": " a"}')
    const { code, stderr } = await run(['ablate', '--pairs', 'typo.jsonl'])
    expect(code).toBe(1)
    expect(stderr).toContain('"prompt" is missing; there is no "promt"')
  })

  it('a line of a pairs file that is not JSON is named', async () => {
    await writeFile(join(cli.folder, 'bad.jsonl'), `${JSON.stringify(pair)}\n{"clean": \n`)
    const { code, stderr } = await run(['patch', '--pairs', 'bad.jsonl'])
    expect(code).toBe(2)
    expect(stderr).toContain('bad.jsonl, line 2 is not JSON')
  })

  it('run repeats a spec exactly', async () => {
    const first = await run(['patch', ...pairFlags, '--what', 'z', '--seed', '3', '--json', '--spec', 'patch.json'])
    expect(first).toMatchObject({ code: 0, stderr: 'Wrote patch.json; diopter run patch.json repeats this.\n' })
    const spec = JSON.parse(await readFile(join(cli.folder, 'patch.json'), 'utf8'))
    expect(spec).toMatchObject({ version: 1, method: 'patch', seed: 3, model: { ref: stories } })
    const again = await cli.run(['run', 'patch.json', '--json'])
    const [{ cost: _, ...before }, { cost: __, ...after }] = [first, again].map(({ stdout }) => JSON.parse(stdout))
    expect(after).toEqual(before)
  })

  it('Ctrl-C keeps the pairs that are done, and says so', async () => {
    const many = Array.from({ length: 400 }, () => JSON.stringify(pair)).join('\n')
    await writeFile(join(cli.folder, 'many.jsonl'), many)
    const args = ['patch', '--pairs', 'many.jsonl', '--progress', '--json', '--model', stories]
    const { code, stdout, stderr } = await cli.runInterrupted(args, /[1-9]\d* of 400 pairs/)
    expect(code).toBe(130)
    expect(stderr).toContain('Interrupted: this is a partial result.')
    const { complete, pairs } = JSON.parse(stdout) as { complete: boolean; pairs: unknown[] }
    expect(complete).toBe(false)
    expect(pairs.length).toBeGreaterThan(0)
    expect(pairs.length).toBeLessThan(400)
  })

  it('writes pictures, numbers and a report', async () => {
    const { code } = await run(['lens', 'Once upon a time', '--svg', 'l.svg', '--csv', 'l.csv', '--html', 'l.html'])
    expect(code).toBe(0)
    const files = await readdir(cli.folder)
    expect(files).toEqual(expect.arrayContaining(['l.svg', 'l.csv', 'l.html']))
    expect(await readFile(join(cli.folder, 'l.svg'), 'utf8')).toMatch(/^<svg|^<\?xml/)
    expect(await readFile(join(cli.folder, 'l.csv'), 'utf8')).toContain(' upon')
    expect(await readFile(join(cli.folder, 'l.html'), 'utf8')).toContain('How to repeat it')
  })

  it.each(['40', '80'])('no line is wider than a terminal of %s columns, and a pipe has no colour', async (columns) => {
    for (const args of [
      ['lens', 'Once upon a time, there was a little girl named'],
      ['attention', 'Once upon a time'],
      ['attribute', 'Lily was happy.', '--answer', ' She', '--wrong', ' He'],
      ['patch', ...pairFlags],
      ['ablate', 'Lily was happy.', '--answer', ' She', '--wrong', ' He'],
    ]) {
      const { stdout, code } = await run(args, { COLUMNS: columns })
      expect(code, args[0]).toBe(0)
      expect(stdout).not.toContain('\u001b')
      for (const line of stdout.split('\n'))
        expect([...line].length, `${args[0]}: ${line}`).toBeLessThanOrEqual(Number(columns))
    }
    const colored = await run(['patch', ...pairFlags], { COLUMNS: columns, FORCE_COLOR: '1' })
    expect(colored.stdout).toContain('\u001b[48;5;')
  })
})
