import { readFile } from 'node:fs/promises'
import { DiopterError } from '../../errors/index.ts'
import type { Model } from '../../lab/index.ts'
import { type LoadOptions, loadModel } from '../../lab/node/load-model.ts'
import {
  type ModelSpec,
  type RunnerOptions,
  type RunResult,
  type RunSpec,
  type RunSpecInput,
  runSpec,
} from '../index.ts'

/** How a spec's model is found and opened, and how the work is followed; what changes numbers is in the spec. */
export interface OpenAndRunOptions
  extends Omit<LoadOptions, 'processing' | 'provider' | 'revision'>,
    Pick<RunnerOptions, 'onPartial' | 'onToken'> {}

/** Opens the model of a spec in Node. Throws for a backend that does not run here, and as `loadModel` does. */
export function openSpecModel(
  { ref, revision, processing }: ModelSpec,
  backend: RunSpec['backend'],
  options: LoadOptions = {},
): Promise<Model> {
  if (backend === 'wasm')
    throw new DiopterError(
      'The backend wasm is for browsers; in Node choose cpu, webgpu or cuda, which give the same numbers.',
    )
  return loadModel(ref, { ...options, revision, processing, provider: backend })
}

/**
 * Carries an experiment out: `openAndRun({ version: 1, model: { ref: 'text' }, method: 'lens', prompts: ['The king'] })` opens
 * the model, runs the method, disposes the model, and gives values, checks and cost. Throws as `parseSpec`, `loadModel` and
 * the method do.
 */
export async function openAndRun(spec: RunSpecInput, options: OpenAndRunOptions = {}): Promise<RunResult> {
  let opened: Model | undefined
  try {
    return await runSpec(spec, {
      ...options,
      readFile: (path) => readFile(path),
      openModel: async (model, { backend }) => {
        opened = await openSpecModel(model, backend, options)
        return opened
      },
    })
  } finally {
    await opened?.dispose()
  }
}
