// Every public name of Diopter for Node, in one list. `diopter/web` is the same for browsers.

export * from './core.ts'
export { createNodeBackend, type NodeBackendOptions } from './engine/node/backend.ts'
export { createHostedBackend, type HostedBackendOptions } from './engine/node/hosted-backend.ts'
export { openFolder } from './hub/node/folder.ts'
export { type ResolveOptions, resolveModel } from './hub/node/resolve.ts'
export { type DeferredTensor, writeSafetensorsFile } from './hub/node/safetensors-file.ts'
export { type LoadOptions, loadModel } from './lab/node/load-model.ts'
export { type OpenAndRunOptions, openAndRun } from './runs/node/open-and-run.ts'
export { folderStore, readSnapshot, snapshotSteps } from './train/node/folder-store.ts'
export { saveModel } from './train/node/save-model.ts'
export { type FolderTrainingOptions, type FolderTrainingResult, trainInFolder } from './train/node/train-in-folder.ts'
export { readTrainingRecord, type TrainingRecord } from './train/node/training-record.ts'
