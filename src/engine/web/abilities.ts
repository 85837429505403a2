/** How many threads WebAssembly gets here, and a note that says why there are not more. */
export function webThreads(threads = navigator.hardwareConcurrency): { readonly count: number; readonly note: string } {
  const count = globalThis.crossOriginIsolated === true ? threads : 1
  const counted = count === 1 ? '1 thread' : `${count} threads`
  if (globalThis.crossOriginIsolated === true) return { count, note: counted }
  const reason =
    'the page is not cross-origin isolated; for more, serve it with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp'
  return { count, note: `${counted} (${reason})` }
}

/** The part of the WebGPU interface that is asked here; TypeScript's own DOM library does not have it. */
interface WithGpu {
  readonly gpu?: { requestAdapter(): Promise<object | null> }
}

/** Why there is no WebGPU here, as a part of a sentence; null when there is. */
export async function webGpuProblem(): Promise<string | null> {
  const { gpu } = navigator as WithGpu
  if (!gpu) return 'this browser has no WebGPU here (pages need HTTPS for it)'
  return (await gpu.requestAdapter()) === null ? 'the browser found no graphics adapter' : null
}
