// Every public name of Diopter for Node, in one list. `diopter/web` is the same for browsers.
export * from './autodiff/index.ts'
export * from './engine/index.ts'
export { createNodeBackend, type NodeBackendOptions } from './engine/node/backend.ts'
export { DiopterError, type Progress, type WorkOptions } from './errors/index.ts'
export { type DeferredTensor, writeSafetensorsFile } from './hub/node/safetensors-file.ts'
export * from './lab/index.ts'
export { type LoadOptions, loadModel } from './lab/node/load-model.ts'
export * from './tensor/index.ts'
