import { InvalidArgumentError, Option } from 'commander'

/** A whole number from `least` on. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() === '' || !Number.isInteger(value) || value < least)
      throw new InvalidArgumentError(`It must be a whole number from ${least}.`)
    return value
  }
}

/** Whole numbers separated by commas; negative ones count from the end. */
export function wholeNumbers(text: string): number[] {
  const values = text.split(',').map(Number)
  if (text.trim() === '' || !values.every(Number.isInteger))
    throw new InvalidArgumentError('It must be whole numbers separated by commas.')
  return values
}

/** A number. */
export function finiteNumber(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It must be a number.')
  return value
}

const repeated = (value: string, before: readonly string[] | undefined): string[] => [...(before ?? []), value]

/** An option that may be given several times. */
export function repeatable(flags: string, description: string): Option {
  return new Option(flags, `${description} (may be repeated)`).argParser(repeated)
}

export interface ModelFlags {
  readonly model?: string
  readonly revision?: string
  readonly offline?: boolean
  readonly process?: readonly string[]
  readonly backend: 'cpu' | 'webgpu' | 'cuda'
  readonly threads?: number
  readonly prependBos?: boolean
}

const STEPS = ['fold_ln', 'center_writing_weights', 'center_unembed', 'fold_value_biases'] as const

function processingSteps(text: string): string[] {
  const steps = text.split(',').map((step) => step.trim())
  const unknown = steps.find((step) => !STEPS.some((known) => known === step))
  if (unknown !== undefined) throw new InvalidArgumentError(`"${unknown}" is none of ${STEPS.join(', ')}.`)
  return steps
}

/** Where a model comes from. */
export const sourceOptions: readonly Option[] = [
  new Option('-m, --model <model>', 'a folder, a hub id with optional @revision, or a bundled name'),
  new Option('--revision <revision>', 'branch, tag or commit of a hub model'),
  new Option('--offline', 'use what the cache holds and ask nobody'),
]

export const threadsOption = new Option('--threads <n>', 'threads of one run (default: all cores)').argParser(
  wholeNumber(1),
)

/** How it runs. */
export const engineOptions: readonly Option[] = [
  new Option('--backend <backend>', 'where graphs run').choices(['cpu', 'webgpu', 'cuda']).default('cpu'),
  threadsOption,
]

/** Everything about the model that a run depends on. */
export const modelOptions: readonly Option[] = [
  ...sourceOptions,
  new Option('--process <steps>', `exact rewritings of the weights: ${STEPS.join(', ')}`).argParser(processingSteps),
  ...engineOptions,
  new Option(
    '--prepend-bos',
    'put the start token before texts, whatever the tokenizer does (token ids stay as they are)',
  ),
  new Option('--no-prepend-bos', 'put no start token before texts'),
]

export const editOption = repeatable(
  '--edit <edit>',
  'edit activations while the model runs, such as "zero HOOK head=3"',
)

export const seedOption = new Option('--seed <n>', 'seed of everything random (default: 0)').argParser(wholeNumber(0))

export interface OutputFlags {
  readonly json?: boolean
  readonly svg?: string
  readonly csv?: string
  readonly html?: string
}

export const jsonOption = new Option('--json', 'print JSON')

/** What a result is written to. */
export const outputOptions: readonly Option[] = [
  jsonOption,
  new Option('--svg <file>', 'write the picture as SVG'),
  new Option('--csv <file>', "write the picture's numbers as CSV"),
  new Option('--html <file>', 'write a report as one HTML file'),
]

/** Options of every command. */
export const commonOptions: readonly Option[] = [
  new Option('--no-color', 'no colours (so does NO_COLOR)'),
  new Option('--progress', 'report progress on stderr even when that is no terminal'),
]

export interface CommonFlags {
  readonly color: boolean
  readonly progress?: boolean
}
