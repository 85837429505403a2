import { execFile, spawn } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { openAndRun, parseResult, type RunResult, type RunSpecInput, toCommand, toScript } from 'diopter'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BuiltEntries, buildEntries } from '../support/build-entries.ts'

const model = { ref: 'text' }
const NASTY = `It's "odd" $HOME \`date\` \\n %s !1 — “quoted”\nnext line`

const SPECS: readonly RunSpecInput[] = [
  { version: 1, model, method: 'predict', prompts: [NASTY, [5, 7, 9]], parameters: { topK: 2 }, seed: 3 },
  {
    version: 1,
    model: { ref: 'text', processing: { center_unembed: true } },
    method: 'patch',
    prompts: [
      {
        clean: 'The men who came from the city',
        corrupt: 'The man who came from the city',
        answer: ' were',
        wrong: ' was',
      },
    ],
    parameters: { what: 'resid_pre', layers: [1, -1], positions: [1, -1] },
    edits: [{ hook: 'blocks.0.attn.hook_z', kind: 'scale', heads: [2], factor: 0.5 }],
    backend: 'wasm',
  },
  { version: 1, model, method: 'generate', prompts: ['The king'], parameters: { tokens: 4 } },
]

let built: BuiltEntries
let folder: string
beforeAll(async () => {
  built = await buildEntries({ main: 'src/cli/main.ts', index: 'src/index.ts' })
  folder = await mkdtemp(join(tmpdir(), 'diopter-script-'))
  // 'diopter' as an installed package, and npx that starts it.
  const installed = join(folder, 'node_modules', 'diopter')
  await mkdir(installed, { recursive: true })
  await writeFile(join(installed, 'package.json'), '{ "type": "module", "exports": "./index.js" }')
  await writeFile(join(installed, 'index.js'), `export * from '${pathToFileURL(built.entry('index'))}'\n`)
  const npx = join(folder, 'npx')
  await writeFile(npx, `#!/bin/sh\nshift\nexec '${process.execPath}' '${built.entry('main')}' "$@"\n`)
  await chmod(npx, 0o755)
})
afterAll(async () => {
  await built.remove()
  await rm(folder, { recursive: true })
})

const environment = () => ({ ...process.env, HF_HUB_OFFLINE: '1', PATH: `${folder}:${process.env.PATH}` })

function output(command: string, args: readonly string[]): Promise<string> {
  return new Promise((done, fail) => {
    execFile(command, args, { cwd: folder, env: environment(), maxBuffer: 2 ** 28 }, (error, stdout, stderr) =>
      error ? fail(new Error(stderr)) : done(stdout),
    )
  })
}

/** What the command line prints of a result: values and the rest in one object. */
function fromCommandLine(text: string): Record<string, unknown> {
  return JSON.parse(text) as Record<string, unknown>
}

const plain = ({ values }: RunResult) => JSON.parse(JSON.stringify(values)) as Record<string, unknown>

describe('a spec as script and command', () => {
  it.each(SPECS.map((spec) => [spec.method, spec] as const))('%s: both give the same numbers', async (_, spec) => {
    const expected = await openAndRun({ ...spec, backend: 'cpu' })
    const path = join(folder, 'again.mjs')
    await writeFile(path, toScript(spec))
    const scripted = parseResult(JSON.parse(await output(process.execPath, [path])))
    expect(scripted.values).toEqual(expected.values)
    expect(scripted.spec).toEqual(expected.spec)
    const commanded = fromCommandLine(await output('sh', ['-c', `${toCommand(spec)} --json`]))
    expect(commanded).toMatchObject(plain(expected))
    expect(commanded.spec).toEqual(expected.spec)
  })

  it('a script is a few lines that say what is run', () => {
    expect(toScript(SPECS[1]!)).toMatchInlineSnapshot(`
      "// Activation patching, run again: save as again.mjs beside an installed 'diopter', then node again.mjs
      import { openAndRun, resultToJson } from 'diopter'

      const result = await openAndRun({
        version: 1,
        model: { ref: "text", processing: { center_unembed: true } },
        method: "patch",
        prompts: [
          {
            clean: "The men who came from the city",
            corrupt: "The man who came from the city",
            answer: " were",
            wrong: " was",
          },
        ],
        parameters: { what: "resid_pre", layers: [1, -1], positions: [1, -1] },
        edits: [{ hook: "blocks.0.attn.hook_z", heads: [2], kind: "scale", factor: 0.5 }],
      })
      console.log(resultToJson(result)) // result.values holds the numbers
      "
    `)
  })

  it('a spec too long for an argument comes from stdin', async () => {
    const spec = { ...SPECS[0]!, prompts: [NASTY, ...Array.from({ length: 40 }, () => 'x'.repeat(3000))] }
    const command = toCommand(spec)
    expect(command).toContain(`npx diopter run - <<'END'`)
    // Its shape is right; carried out is a short one in the same way.
    const [start, , end] = command.split('\n')
    const short = [start!.replace(' - ', ' - --json '), JSON.stringify(SPECS[0]), end].join('\n')
    const commanded = fromCommandLine(await output('sh', ['-c', short]))
    expect(commanded).toMatchObject(plain(await openAndRun(SPECS[0]!)))
  })

  it('what is no JSON says where it came from', async () => {
    const said = (args: readonly string[], stdin = '') =>
      new Promise<string>((done) => {
        const child = spawn(process.execPath, [built.entry('main'), 'run', ...args], { env: environment() })
        let stderr = ''
        child.stderr.on('data', (data: Buffer) => {
          stderr += data.toString()
        })
        child.on('close', (code) => done(`${code} ${stderr}`))
        child.stdin.end(stdin)
      })
    expect(await said(['{"version":'])).toMatch(/^2 diopter: What was given is not JSON/)
    expect(await said(['-'], '{ nothing')).toMatch(/^2 diopter: What came from stdin is not JSON/)
    expect(await said([JSON.stringify({ ...SPECS[2], backend: 'wasm' })])).toMatch(
      /^1 diopter: The backend wasm is for/,
    )
  })

  it('a spec that is not valid makes no script', () => {
    expect(() => toScript({ ...SPECS[0]!, method: 'zap' })).toThrow(/no method 'zap'/)
    expect(() => toCommand({ ...SPECS[0]!, parameters: { topp: 1 } })).toThrow(/topp/)
  })
})
