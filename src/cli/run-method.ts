import { Option } from 'commander'
import type { RunnerOptions, RunResult, RunSpecInput } from '../runs/index.ts'
import type { Session } from './command.ts'
import { parseEdit } from './edit-grammar.ts'
import { EXIT } from './errors.ts'
import { checkWritable, readJsonFile, writeFileOrFail } from './files.ts'
import { editOption, type ModelFlags, modelOptions, type OutputFlags, outputOptions, seedOption } from './flags.ts'
import { modelSpec, type OpenFlags } from './open-model.ts'
import { checkOutputs, showResult } from './show.ts'

export const specOption = new Option('--spec <file>', 'write the spec that reproduces this run (diopter run FILE)')

/** What every run of a model takes. */
export const modelRunOptions: readonly Option[] = [editOption, seedOption, ...modelOptions]

/** What every method with pictures takes. */
export const methodOptions: readonly Option[] = [...outputOptions, specOption, ...modelRunOptions]

/** Flags of every command that runs a method. */
export interface MethodFlags extends ModelFlags, OutputFlags {
  readonly edit?: readonly string[]
  readonly seed?: number
  /** Where to write the spec that reproduces the run. */
  readonly spec?: string
}

/** A spec from a command's flags. Parameters that were not given stay out, so that the method's defaults act. */
export async function specOf(
  method: string,
  prompts: RunSpecInput['prompts'],
  parameters: Readonly<Record<string, unknown>>,
  flags: MethodFlags,
): Promise<RunSpecInput> {
  const edits = []
  for (const edit of flags.edit ?? []) edits.push(await parseEdit(edit, readJsonFile))
  return {
    version: 1,
    model: modelSpec(flags),
    method,
    prompts,
    parameters: Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== undefined)),
    ...(edits.length > 0 ? { edits } : {}),
    ...(flags.prependBos === undefined ? {} : { prependBos: flags.prependBos }),
    ...(flags.seed === undefined ? {} : { seed: flags.seed }),
    backend: flags.backend,
  }
}

/** Runs a spec on a model that is opened for it. */
export async function carryOut(
  spec: RunSpecInput,
  { offline, threads }: OpenFlags,
  { signal, onProgress }: Pick<Session, 'signal' | 'onProgress'>,
  onToken?: RunnerOptions['onToken'],
): Promise<RunResult> {
  const { openAndRun } = await import('../runs/node/open-and-run.ts')
  return openAndRun(spec, { offline, threads, signal, onProgress, onToken })
}

/** A method command from its spec to its pictures; `about` gives lines that stand before them. Gives the exit code. */
export async function runMethod(
  spec: RunSpecInput,
  flags: OutputFlags & OpenFlags & { readonly spec?: string },
  session: Session,
  about?: (result: RunResult) => Promise<readonly string[]>,
): Promise<number> {
  await checkOutputs(flags, flags.spec)
  const result = await carryOut(spec, flags, session)
  await showResult(result, flags, session, await about?.(result))
  await writeSpec(flags.spec, result, session)
  return finish(result, session)
}

/** Writes the spec that reproduces a result, where asked. */
export async function writeSpec(path: string | undefined, result: RunResult, session: Session): Promise<void> {
  if (path === undefined) return
  await checkWritable(path)
  await writeFileOrFail(path, `${JSON.stringify(result.spec, null, 2)}\n`)
  session.note(`Wrote ${path}; diopter run ${path} repeats this.`)
}

/** Says when a result is partial, and gives the exit code. */
export function finish({ complete }: RunResult, session: Session): number {
  if (complete) return EXIT.ok
  session.note('Interrupted: this is a partial result.')
  return session.signal.aborted ? EXIT.interrupted : EXIT.failed
}
