// The entry point for browsers: `import { ... } from 'diopter/web'`.
export * from './autodiff/index.ts'
export * from './engine/index.ts'
export { createWebBackend, type WebBackendOptions } from './engine/web/backend.ts'
export * from './errors/index.ts'
export * from './tensor/index.ts'
