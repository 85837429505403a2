import type { InferenceSession } from 'onnxruntime-common'
import * as ort from 'onnxruntime-node'
import { DiopterError } from '../../errors/index.ts'
import type { Backend } from '../backend.ts'
import { OrtBackend, type OrtModule } from '../ort-backend.ts'
import { WeightFiles } from './weight-files.ts'

/** How ONNX Runtime runs in this process. */
export interface NodeBackendOptions {
  /** Where graphs run; `cpu` by default. */
  readonly provider?: 'cpu' | 'webgpu' | 'cuda'
  /** Threads of one run; all cores by default. */
  readonly threads?: number
}

const GPU_HINTS = {
  webgpu: 'it needs a driver for Vulkan, Metal or Direct3D 12 (on Linux libvulkan.so.1 and an ICD)',
  cuda: 'it needs an NVIDIA driver, CUDA, and onnxruntime-node installed with its CUDA download (see README, "GPU")',
}

/**
 * ONNX Runtime in this Node process. Runs block the event loop while they compute; see `createHostedBackend`.
 * Throws when the provider is not part of the installed onnxruntime-node; when the machine has no device for
 * it, making the first session throws.
 */
export function createNodeBackend({ provider = 'cpu', threads }: NodeBackendOptions = {}): Backend {
  const available = ort.listSupportedBackends().map(({ name }) => name)
  if (!available.includes(provider)) {
    throw new DiopterError(
      `The provider '${provider}' was asked for; this onnxruntime-node has: ${available.join(', ')}.`,
    )
  }
  const files = new WeightFiles()
  const sessionOptions: InferenceSession.SessionOptions = {
    executionProviders: [provider],
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    // Threads spin between the operators of a run (a third faster) and block when it ends: idle pools would starve others.
    extra: { session: { force_spinning_stop: '1', model_external_initializers_file_folder_path: files.root } },
    // A plan of one block for all intermediate results stays beside what the first run allocated: up to twice the memory.
    enableMemPattern: false,
    logSeverityLevel: 3,
  }
  return new OrtBackend({
    ort: ort as unknown as OrtModule,
    name: `onnxruntime-node ${provider}`,
    blocking: true,
    copiesInputs: false,
    gpu: provider !== 'cpu',
    sessionOptions,
    place: async (value) => files.place(value),
    onDispose: () => files.dispose(),
    explain(message) {
      if (provider === 'cpu' || !/WebGPU adapter|Failed to load shared library|no CUDA-capable/i.test(message)) return
      const [reason] = message.split('\n')
      return `The provider '${provider}' was asked for and does not start on this machine: ${GPU_HINTS[provider]}. Use 'cpu', or fix that. ONNX Runtime said: ${reason}`
    },
  })
}
