export { type EmittedModel, emit } from './emit.ts'
export { structuralHash } from './hash.ts'
export { optimise } from './passes/index.ts'
export { sinkSlices } from './passes/sink-slices.ts'
