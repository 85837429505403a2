// Every public name of Diopter for browsers: `import { ... } from 'diopter/web'`.
export * from './core.ts'
export { createWebBackend, type WebBackendOptions } from './engine/web/backend.ts'
export { openFiles } from './hub/web/files.ts'
export { type BrowserResolveOptions, resolveModel } from './hub/web/resolve.ts'
