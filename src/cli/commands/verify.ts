import { Argument } from 'commander'
import type { FileSource } from '../../hub/source.ts'
import type { ExpectedArray, Verification } from '../../lab/index.ts'
import { wrap } from '../../views/labels.ts'
import { alignColumns } from '../columns.ts'
import { defineCommand, type Session } from '../command.ts'
import { EXIT, UsageError } from '../errors.ts'
import { engineOptions, jsonOption, type ModelFlags, sourceOptions } from '../flags.ts'
import { modelReference, resolveFiles } from '../open-model.ts'
import { formatCount } from '../units.ts'

export const verify = defineCommand<ModelFlags & { readonly json?: boolean }>({
  name: 'verify',
  summary: "Hold a model against another implementation's numbers, or against itself",
  arguments: [new Argument('[model]', 'a folder, a hub id, or a bundled name')],
  options: [jsonOption, ...sourceOptions, ...engineOptions],
  details: `Where the model's folder has expected.safetensors (logits, hidden_states, attentions, or some of them), computed for
the token ids of tokens.json, these are compared: |a-b| <= 1e-4 max(1, |b|) everywhere. Otherwise the model is held
against itself: padded batches, batches and cached decoding must give the numbers of single runs, and weights
inside a session those of weights as inputs. The residual stream must be the sum of what is written to it.`,
  examples: ['verify ../shared/reference/huggingface/llama --json', 'verify ../shared/checkpoints/stories260K'],
  async run([given], flags, session) {
    if (given !== undefined && flags.model !== undefined && given !== flags.model)
      throw new UsageError(`Which model: ${given}, or --model ${flags.model}?`)
    const ref = modelReference({ model: given ?? flags.model })
    const { source } = await resolveFiles(ref, flags, session)
    const tokens = await readTokens(source)
    const expected = source.files.includes('expected.safetensors') ? await readExpected(source) : undefined
    if (expected && !tokens)
      throw new UsageError(`${ref} has expected.safetensors but no tokens.json, the token ids it was computed for.`)
    const { revision, backend, offline, threads } = flags
    const { signal, onProgress } = session
    const { openSpecModel } = await import('../../runs/node/open-and-run.ts')
    const model = await openSpecModel({ ref, revision }, backend, { offline, threads, signal, onProgress })
    try {
      const { verifyModel } = await import('../../lab/verify.ts')
      const verification = await verifyModel(model, { tokens, expected, signal, onProgress })
      session.print(
        flags.json ? `${JSON.stringify(verification)}\n` : `${describe(ref, verification, session).join('\n')}\n`,
      )
      return verification.ok ? EXIT.ok : EXIT.failed
    } finally {
      await model.dispose()
    }
  },
})

/** `tokens.json`: lists of token ids of one length, or one list. */
async function readTokens(source: FileSource): Promise<number[][] | undefined> {
  if (!source.files.includes('tokens.json')) return undefined
  const text = await source.readText('tokens.json')
  const isIds = (row: unknown): row is number[] =>
    Array.isArray(row) && row.length > 0 && row.every((id) => Number.isInteger(id))
  try {
    const value: unknown = JSON.parse(text)
    if (isIds(value)) return [value]
    if (Array.isArray(value) && value.length > 0 && value.every(isIds)) return value
  } catch {
    // Said below: what is not JSON holds no token ids either.
  }
  throw new UsageError(
    `${source.description}: tokens.json must hold lists of token ids, such as [[46, 85, 40], [70, 61, 97]].`,
  )
}

async function readExpected(source: FileSource): Promise<Map<string, ExpectedArray>> {
  const [{ readSafetensorsHeader }, { decodeTensor }] = await Promise.all([
    import('../../hub/checkpoint.ts'),
    import('../../hub/decode.ts'),
  ])
  const { entries } = await readSafetensorsHeader(source, 'expected.safetensors')
  const arrays = new Map<string, ExpectedArray>()
  for (const [name, { dtype, shape, file, begin, end }] of entries) {
    const data = decodeTensor(await source.readRange(file, begin, end), dtype, 'float32')
    arrays.set(name, { shape, data: data as Float32Array })
  }
  return arrays
}

function describe(ref: string, { ok, against, checks }: Verification, session: Session): string[] {
  const rows = checks.map((check) => [
    check.name,
    check.ok ? 'ok' : 'FAILS',
    check.maxAbs === 0 ? '0' : check.maxAbs.toExponential(1),
    check.tolerance.toExponential(0),
    check.outside === 0
      ? formatCount(check.elements)
      : `${formatCount(check.outside)} off of ${formatCount(check.elements)}`,
  ])
  const failing = checks.filter((check) => !check.ok).length
  const verdict = ok
    ? against === 'reference'
      ? `${ref} agrees with its reference.`
      : `${ref} agrees with itself (it has no expected.safetensors to be held against).`
    : `${ref} is NOT verified: ${failing} of ${checks.length} checks fail.`
  const heading = ['check', 'verdict', 'largest', 'allowed', 'numbers']
  return [...alignColumns([heading, ...rows], session.text), '', ...wrap(verdict, session.text.width)]
}
