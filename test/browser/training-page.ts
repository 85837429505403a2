// What the Chromium training test loads into its page.
import { createWebBackend, Engine, type WebBackendOptions } from '../../src/web.ts'
import { runTinyTraining } from '../support/tiny-training.ts'

async function runCase(options: WebBackendOptions) {
  const engine = new Engine({ backend: await createWebBackend(options) })
  const entries = await runTinyTraining(engine)
  const { name } = engine.backend
  await engine.dispose()
  return { name, entries }
}

Object.assign(globalThis, { runCase })
