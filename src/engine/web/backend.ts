import type { InferenceSession } from 'onnxruntime-common'
import { DiopterError } from '../../errors/index.ts'
import type { Backend } from '../backend.ts'
import { OrtBackend, type OrtModule } from '../ort-backend.ts'
import { webGpuProblem, webThreads } from './abilities.ts'

/** How long the event loop may wait for a turn, in milliseconds. */
const TURN_MS = 100

/** How ONNX Runtime runs in a browser. */
export interface WebBackendOptions {
  /** Where graphs run: WebAssembly on the CPU, or the GPU; `wasm` by default. */
  readonly provider?: 'wasm' | 'webgpu'
  /** Threads of WebAssembly, all cores by default; a page has more than one only when it is cross-origin isolated. */
  readonly threads?: number
  /** The URL of the folder with onnxruntime-web's `.wasm` files, when they do not lie beside its script. */
  readonly wasmPaths?: string
}

/**
 * ONNX Runtime in this browser page or worker. Threads and paths are settings of the whole page and fixed by its first session;
 * a page that is not cross-origin isolated gets one thread, and the backend's name says so. On WebGPU float64 is computed as float32.
 * Throws when WebGPU is asked for and the browser or the machine has none.
 */
export async function createWebBackend({
  provider = 'wasm',
  threads,
  wasmPaths,
}: WebBackendOptions = {}): Promise<Backend> {
  if (provider === 'webgpu') {
    const problem = await webGpuProblem()
    if (problem !== null)
      throw new DiopterError(
        `The provider 'webgpu' was asked for; ${problem}: use the provider 'wasm', or another browser or machine.`,
      )
  }
  const ort = provider === 'webgpu' ? await import('onnxruntime-web/webgpu') : await import('onnxruntime-web/wasm')
  const { count, note } = webThreads(threads)
  ort.env.wasm.numThreads = count
  if (wasmPaths !== undefined) ort.env.wasm.wasmPaths = wasmPaths
  const sessionOptions: InferenceSession.SessionOptions = { executionProviders: [provider], logSeverityLevel: 3 }
  return new OrtBackend({
    ort: ort as unknown as OrtModule,
    name: provider === 'webgpu' ? 'onnxruntime-web webgpu' : `onnxruntime-web wasm, ${note}`,
    blocking: provider === 'wasm',
    ...(provider === 'wasm' ? { pause: takeTurns() } : {}),
    copiesInputs: true,
    gpu: provider === 'webgpu',
    // onnxruntime-web's build for WebGPU has no float64 kernels, not even on the CPU
    narrowsFloat64: provider === 'webgpu',
    sessionOptions,
  })
}

/** Gives the event loop a turn now and then: runs in WebAssembly block it, and without one no message would ever be heard. */
function takeTurns(): () => Promise<void> {
  let last = performance.now()
  return async () => {
    if (performance.now() - last < TURN_MS) return
    await new Promise((resolve) => setTimeout(resolve, 0))
    last = performance.now()
  }
}
