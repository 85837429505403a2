// What the page's build adds to the bundle: ONNX Runtime, first results, models, and a line about sizes.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import type { Logger, Plugin } from 'vite'
import { shippedPlaces } from '../../src/cli/shipped-places.ts'
import { FIRST_RESULTS } from '../../src/workbench/browser/first-results.ts'
import { servedModels } from '../../src/workbench/node/model-files.ts'
import { SERVED_MODELS, servedFolder } from '../../src/workbench/service/served-models.ts'
import { computeFirstResults } from './first-results.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** ONNX Runtime's builds for the CPU and for WebGPU as they are loaded at run time, each with a module that threads load, too. */
const ORT_BUILDS = ['ort-wasm-simd-threaded', 'ort-wasm-simd-threaded.asyncify']

/** Puts ONNX Runtime into `ort/`. */
export const ortFiles = (): Plugin => ({
  name: 'ort-files',
  generateBundle() {
    for (const file of ORT_BUILDS.flatMap((build) => [`${build}.mjs`, `${build}.wasm`])) {
      const source = readFileSync(join(root, 'node_modules/onnxruntime-web/dist', file))
      this.emitFile({ type: 'asset', fileName: `ort/${file}`, source })
    }
  },
})

/** Puts the shipped models into `models/`, with the list of them; a file's version is its content here. */
export const shippedModels = (): Plugin => ({
  name: 'shipped-models',
  async generateBundle() {
    const places = await shippedPlaces()
    const { models } = await servedModels(places)
    const listed = models.map((model) => {
      const { folder } = places.find(({ ref }) => ref === model.ref)!
      const files = model.files.map(({ path }) => {
        const source = readFileSync(join(folder, path))
        this.emitFile({ type: 'asset', fileName: `${servedFolder(model.ref)}${path}`, source })
        const version = createHash('sha256').update(source).digest('hex').slice(0, 16)
        return { path, bytes: source.length, version }
      })
      return { ...model, files }
    })
    this.emitFile({ type: 'asset', fileName: SERVED_MODELS, source: JSON.stringify({ models: listed }) })
  },
})

/** Computes what the page shows first, and has the browser fetch it beside the scripts. */
export const firstResults = (): Plugin => ({
  name: 'first-results',
  async generateBundle() {
    const source = await computeFirstResults(join(root, 'checkpoints/text'))
    this.emitFile({ type: 'asset', fileName: FIRST_RESULTS, source })
  },
  transformIndexHtml: () => [
    { tag: 'link', attrs: { rel: 'preload', as: 'fetch', crossorigin: true, href: `./${FIRST_RESULTS}` } },
  ],
})

/** Prints how much a visitor fetches, by what it is for; scripts as they travel, compressed. */
export function reportSizes(): Plugin {
  let logger: Logger
  return {
    name: 'report-sizes',
    configResolved(config) {
      logger = config.logger
    },
    writeBundle(_, bundle) {
      const sums = new Map<string, number>()
      for (const [name, output] of Object.entries(bundle)) {
        const content = Buffer.from(output.type === 'chunk' ? output.code : output.source)
        const kind = kindOf(name)
        const bytes = /\.(wasm|safetensors)$/.test(name) ? content.length : gzipSync(content).length
        sums.set(kind, (sums.get(kind) ?? 0) + bytes)
      }
      const parts = [...sums]
        .sort()
        .map(([kind, bytes]) => `${kind} ${Math.round(bytes / 1000).toLocaleString('en')} kB`)
      logger.info(`Sizes (gzipped, but for .wasm and weights): ${parts.join('; ')}.`)
    },
  }
}

function kindOf(file: string): string {
  if (file.startsWith('models/')) return `model ${file.split('/')[1]}`
  if (/^(ort\/|assets\/ort)/.test(file))
    return `ONNX Runtime for ${/asyncify|webgpu/.test(file) ? 'WebGPU' : 'WebAssembly'}`
  if (file === FIRST_RESULTS) return 'first results'
  return file.startsWith('assets/worker') ? 'worker' : 'page'
}
