import { defineConfig } from 'tsdown'

export default defineConfig([
  {
    entry: {
      index: 'src/index.ts',
      'cli/main': 'src/cli/main.ts',
      'engine/node/host-process': 'src/engine/node/host-process.ts',
      'train/node/batch-worker': 'src/train/node/batch-worker.ts',
      'workbench-node/job-process': 'src/workbench/node/job-process.ts',
    },
    format: 'esm',
    platform: 'node',
    target: 'node20',
    dts: true,
    // the page and the site are Vite's
    clean: ['dist', '!dist/workbench/**', '!dist/workbench', '!dist/site/**', '!dist/site'],
    sourcemap: true,
    fixedExtension: false,
  },
  {
    entry: { web: 'src/web.ts' },
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    dts: true,
    clean: false,
    sourcemap: true,
    fixedExtension: false,
  },
])
