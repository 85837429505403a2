import type { InferenceSession } from 'onnxruntime-common'
import { DiopterError } from '../../errors/index.ts'
import type { Backend } from '../backend.ts'
import { OrtBackend, type OrtModule } from '../ort-backend.ts'

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
  if (provider === 'webgpu') await requireWebGpu()
  const ort = provider === 'webgpu' ? await import('onnxruntime-web/webgpu') : await import('onnxruntime-web/wasm')
  const isolated = globalThis.crossOriginIsolated === true
  const count = isolated ? (threads ?? navigator.hardwareConcurrency) : 1
  ort.env.wasm.numThreads = count
  if (wasmPaths !== undefined) ort.env.wasm.wasmPaths = wasmPaths
  const sessionOptions: InferenceSession.SessionOptions = { executionProviders: [provider], logSeverityLevel: 3 }
  return new OrtBackend({
    ort: ort as unknown as OrtModule,
    name: provider === 'webgpu' ? 'onnxruntime-web webgpu' : `onnxruntime-web wasm, ${threadsNote(count, isolated)}`,
    blocking: provider === 'wasm',
    copiesInputs: true,
    // onnxruntime-web's build for WebGPU has no float64 kernels, not even on the CPU
    narrowsFloat64: provider === 'webgpu',
    sessionOptions,
  })
}

function threadsNote(count: number, isolated: boolean): string {
  if (isolated) return count === 1 ? '1 thread' : `${count} threads`
  return '1 thread (the page is not cross-origin isolated; for more, serve it with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp)'
}

/** The part of the WebGPU interface that is asked here; TypeScript's own DOM library does not have it. */
interface WithGpu {
  readonly gpu?: { requestAdapter(): Promise<object | null> }
}

async function requireWebGpu(): Promise<void> {
  const { gpu } = navigator as WithGpu
  const advice = "use the provider 'wasm', or another browser or machine"
  if (!gpu)
    throw new DiopterError(
      `The provider 'webgpu' was asked for; this browser has no WebGPU here (pages need HTTPS for it): ${advice}.`,
    )
  if ((await gpu.requestAdapter()) === null)
    throw new DiopterError(`The provider 'webgpu' was asked for; the browser found no graphics adapter: ${advice}.`)
}
