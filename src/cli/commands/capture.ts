import { Argument, Option } from 'commander'
import type { RunResult } from '../../runs/index.ts'
import { readPrompt } from '../../runs/prompt-text.ts'
import type { DType, TypedArray } from '../../tensor/index.ts'
import { alignColumns } from '../columns.ts'
import { defineCommand, type Session } from '../command.ts'
import { UsageError } from '../errors.ts'
import { jsonOption, repeatable } from '../flags.ts'
import { carryOut, finish, type MethodFlags, modelRunOptions, specOf, specOption, writeSpec } from '../run-method.ts'
import { checkOutputs, editLines, showResult } from '../show.ts'
import { formatBytes } from '../units.ts'

type Flags = MethodFlags & { readonly hook?: readonly string[]; readonly out?: string }

interface CapturedArray {
  readonly axes: readonly string[]
  readonly shape: readonly number[]
  readonly dtype: DType
  readonly data: TypedArray
}

export const capture = defineCommand<Flags>({
  name: 'capture',
  summary: 'Read activations, and keep them as a safetensors file',
  arguments: [new Argument('<prompt...>', 'a text, or token ids such as [46,85,40]')],
  options: [
    repeatable('--hook <glob>', 'what to read, such as "blocks.*.hook_resid_post"'),
    new Option('-o, --out <file>', 'the safetensors file to write'),
    jsonOption,
    specOption,
    ...modelRunOptions,
  ],
  details:
    'Without --out the arrays are summed up; --json alone prints every number. There is no picture of an activation.',
  examples: [
    'capture "Once upon a time" --hook "blocks.*.hook_resid_post" --model ../shared/checkpoints/stories260K --out acts.safetensors',
    'capture "Once upon a time" --hook blocks.0.attn.hook_pattern --model ../shared/checkpoints/stories260K --json',
  ],
  async run(prompts, flags, session) {
    if (!flags.hook)
      throw new UsageError(
        'Say what to read: --hook NAME or a glob such as --hook "blocks.*.hook_resid_post"; diopter info lists all.',
      )
    await checkOutputs({}, flags.spec, flags.out)
    const spec = await specOf('capture', prompts.map(readPrompt), { hooks: flags.hook }, flags)
    const result = await carryOut(spec, flags, session)
    const arrays = result.values.arrays as Readonly<Record<string, CapturedArray>>
    if (flags.out !== undefined) await writeArrays(flags.out, arrays, result, session)
    if (flags.json && flags.out !== undefined) session.print(`${JSON.stringify(summary(arrays, result))}\n`)
    else if (flags.json) await showResult(result, { json: true }, session)
    else session.print(`${[...describe(arrays, session), ...editLines(result)].join('\n')}\n`)
    await writeSpec(flags.spec, result, session)
    return finish(result, session)
  },
})

const STORED: Readonly<Partial<Record<DType, 'F32' | 'F64' | 'I64' | 'I32' | 'BOOL'>>> = {
  float32: 'F32',
  float64: 'F64',
  int64: 'I64',
  int32: 'I32',
  bool: 'BOOL',
}

/** Writes the arrays under their hook names, with the prompts and where they come from as metadata. */
async function writeArrays(
  path: string,
  arrays: Readonly<Record<string, CapturedArray>>,
  { spec, provenance }: RunResult,
  session: Session,
): Promise<void> {
  const { writeSafetensorsFile } = await import('../../hub/node/safetensors-file.ts')
  const tensors = Object.entries(arrays).map(([name, { shape, dtype, data }]) => ({
    name,
    dtype: STORED[dtype]!,
    shape,
    data: () => data as Float32Array,
  }))
  await writeSafetensorsFile(path, tensors, {
    prompts: JSON.stringify(spec.prompts),
    spec: JSON.stringify(spec),
    provenance: JSON.stringify(provenance),
  })
  const bytes = Object.values(arrays).reduce((sum, { data }) => sum + data.byteLength, 0)
  session.note(
    `Wrote ${tensors.length} ${tensors.length === 1 ? 'array' : 'arrays'}, ${formatBytes(bytes)}, to ${path}.`,
  )
}

function summary(arrays: Readonly<Record<string, CapturedArray>>, { edits, provenance, spec }: RunResult): object {
  return {
    arrays: Object.fromEntries(
      Object.entries(arrays).map(([name, { axes, shape, dtype, data }]) => [
        name,
        { axes, shape, dtype, ...statistics(data) },
      ]),
    ),
    edits,
    provenance,
    spec,
  }
}

/** A line per array: name, shape, and what its numbers are like. */
function describe(arrays: Readonly<Record<string, CapturedArray>>, session: Session): string[] {
  const rows = Object.entries(arrays).map(([name, { shape, data }]) => {
    const { mean, standardDeviation, min, max } = statistics(data)
    const numbers = [mean, standardDeviation, min, max].map((x) => (x === null ? '' : x.toPrecision(3)))
    return [name, `[${shape.join(', ')}]`, ...numbers]
  })
  return alignColumns([['hook', 'shape', 'mean', 'std', 'min', 'max'], ...rows], session.text)
}

/** Over the finite numbers: padding is NaN and masked scores are -Infinity. */
function statistics(data: TypedArray): {
  mean: number | null
  standardDeviation: number | null
  min: number | null
  max: number | null
} {
  let [count, sum, squares, min, max] = [0, 0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const element of data) {
    const x = Number(element)
    if (!Number.isFinite(x)) continue
    count++
    sum += x
    squares += x * x
    if (x < min) min = x
    if (x > max) max = x
  }
  if (count === 0) return { mean: null, standardDeviation: null, min: null, max: null }
  const mean = sum / count
  return { mean, standardDeviation: Math.sqrt(Math.max(0, squares / count - mean * mean)), min, max }
}
