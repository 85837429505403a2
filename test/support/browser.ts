import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium } from 'playwright-core'
import { build } from 'tsdown'

const root = fileURLToPath(new URL('../..', import.meta.url))
const ortFolder = join(root, 'node_modules', 'onnxruntime-web', 'dist')

export const chromiumPath = '/usr/bin/chromium'
export const hasChromium = existsSync(chromiumPath)

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
}

const PAGE = `<!doctype html><meta charset="utf-8"><title>test</title>
<script type="importmap">{"imports": {
  "onnxruntime-web/wasm": "/ort/ort.wasm.bundle.min.mjs",
  "onnxruntime-web/webgpu": "/ort/ort.webgpu.bundle.min.mjs"
}}</script>
<script type="module" src="/page.mjs"></script>`

export interface ServedPage {
  readonly url: string
  close(): Promise<void>
}

/**
 * Bundles `entry` (a path from the repository's root) and serves it as the script of a page on 127.0.0.1, with
 * onnxruntime-web beside it; `isolated` sends the headers that give a page threads.
 */
export async function servePage(entry: string, isolated: boolean): Promise<ServedPage> {
  const cache = join(root, 'node_modules', '.cache')
  await mkdir(cache, { recursive: true })
  const outDir = await mkdtemp(join(cache, 'diopter-page-'))
  await build({
    cwd: root,
    config: false,
    entry: { page: entry },
    outDir,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    dts: false,
    // What the page loads by itself is ONNX Runtime alone; a bare import of anything else would fail in a browser.
    deps: { alwaysBundle: [/^(?!onnxruntime-web)/] },
    logLevel: 'error',
    outExtensions: () => ({ js: '.mjs' }),
  })
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url!, 'http://localhost').pathname)
    if (isolated) {
      response.setHeader('Cross-Origin-Opener-Policy', 'same-origin')
      response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp')
    }
    response.setHeader('Content-Type', TYPES[extname(path)] ?? 'text/html')
    const file = path.startsWith('/ort/') ? join(ortFolder, path.slice(5)) : join(outDir, path)
    if (path === '/') response.end(PAGE)
    else
      await readFile(file).then(
        (bytes) => response.end(bytes),
        () => response.writeHead(404).end(),
      )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async close() {
      server.closeAllConnections()
      server.close()
      await rm(outDir, { recursive: true })
    },
  }
}

/** Chromium with an empty profile; `gpu` gives it WebGPU on a software adapter. */
export function launchChromium({ gpu = false } = {}): Promise<Browser> {
  const quiet = ['--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update']
  const webgpu = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-features=Vulkan']
  return chromium.launch({
    executablePath: chromiumPath,
    headless: true,
    args: ['--no-sandbox', '--disable-sync', ...quiet, ...(gpu ? webgpu : [])],
  })
}
