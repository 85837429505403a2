// What the page shows before its model is loaded: results of the default specs, computed by the build.
import { createNodeBackend } from '../../src/engine/node/backend.ts'
import { openFolder } from '../../src/hub/node/folder.ts'
import { openModel } from '../../src/lab/index.ts'
import { resultToJson, runSpec } from '../../src/runs/index.ts'
import { DEFAULT_MODEL, firstSpecs } from '../../src/workbench/browser/first-results.ts'

/** JSON text of a list of results, of what the page asks first. */
export async function computeFirstResults(folder: string): Promise<string> {
  const source = await openFolder(folder, { description: DEFAULT_MODEL })
  // One thread: the same bytes on every machine of a kind.
  const model = await openModel(source, createNodeBackend({ threads: 1 }), { ownsBackend: true })
  try {
    const results: string[] = []
    for (const spec of firstSpecs()) {
      results.push(resultToJson(await runSpec(spec, { openModel: async () => model })))
    }
    return `[${results.join(',\n')}]`
  } finally {
    await model.dispose()
  }
}
