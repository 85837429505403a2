import type { InferenceSession } from 'onnxruntime-common'
import * as ort from 'onnxruntime-node'
import { DiopterError } from '../../errors/index.ts'
import type { Backend } from '../backend.ts'
import { OrtBackend, type OrtModule } from '../ort-backend.ts'

export interface NodeBackendOptions {
  /** Where graphs run; `cpu` by default. */
  readonly provider?: 'cpu' | 'webgpu' | 'cuda'
  /** Threads of one run; all cores by default. */
  readonly threads?: number
}

/**
 * ONNX Runtime in this Node process. Runs block the event loop while they compute; see `createHostedBackend`.
 * Throws when the provider is not part of the installed onnxruntime-node.
 */
export function createNodeBackend({ provider = 'cpu', threads }: NodeBackendOptions = {}): Backend {
  const available = ort.listSupportedBackends().map(({ name }) => name)
  if (!available.includes(provider)) {
    const hint =
      provider === 'cuda' ? ' For CUDA, reinstall with `onnxruntime-node-install` unset (see README, "GPU").' : ''
    throw new DiopterError(
      `The provider '${provider}' was asked for; this onnxruntime-node has: ${available.join(', ')}.${hint}`,
    )
  }
  const sessionOptions: InferenceSession.SessionOptions = {
    executionProviders: [provider],
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    // Sessions that wait must not spin: idle pools would starve the one that runs.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
    logSeverityLevel: 3,
  }
  return new OrtBackend({
    ort: ort as unknown as OrtModule,
    name: `onnxruntime-node ${provider}`,
    blocking: true,
    copiesInputs: false,
    sessionOptions,
    preallocatedOutputs: provider === 'cpu',
  })
}
