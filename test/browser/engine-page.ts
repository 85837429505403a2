// What the Chromium test loads into its page.
import { createWebBackend, dtypeOf, Engine, input, type WebBackendOptions } from '../../src/web.ts'
import { runForwardBackward } from '../support/forward-backward.ts'

async function runCase(options: WebBackendOptions) {
  const engine = new Engine({ backend: await createWebBackend(options) })
  const { name, blocking, copiesInputs } = engine.backend
  const results = await runForwardBackward(engine)
  const { compiles } = engine.statistics
  await engine.dispose()
  return { name, blocking, copiesInputs, compiles, results }
}

/** A float16 tensor there and back: its bits here, whatever the browser's ONNX Runtime hands out. */
async function runHalf() {
  const engine = new Engine({ backend: await createWebBackend({ threads: 1 }) })
  const bits = { dtype: 'float16' as const, shape: [3], data: Uint16Array.of(0x3c00, 0xb800, 0x7c00) }
  const [same] = await engine.evaluate([input('x', [3], 'float16')], { x: bits })
  await engine.dispose()
  return { dtype: dtypeOf(same!.data), bits: Array.from(same!.data as Uint16Array) }
}

Object.assign(globalThis, { runCase, runHalf })
