import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defaultClientConditions, defineConfig } from 'vite'
import { firstResults, ortFiles, reportSizes, shippedModels } from './scripts/page/plugins.ts'

const path = (place: string): string => fileURLToPath(new URL(place, import.meta.url))

/**
 * The workbench's page: a static folder that works under any path of any host. `diopter workbench` serves it with models of its
 * own; `--mode site` puts the shipped models beside it, for hosts that only serve files.
 */
export default defineConfig(({ mode }) => ({
  root: path('src/workbench/page'),
  base: './',
  publicDir: false,
  plugins: [react(), ortFiles(), firstResults(), ...(mode === 'site' ? [shippedModels()] : []), reportSizes()],
  // onnxruntime-web's entries that load their module from ort/ instead of carrying a copy of it
  resolve: { conditions: ['onnxruntime-web-use-extern-wasm', ...defaultClientConditions] },
  worker: { format: 'es' },
  build: {
    outDir: path(mode === 'site' ? 'dist/site' : 'dist/workbench'),
    emptyOutDir: true,
    target: 'es2022',
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1500,
  },
}))
