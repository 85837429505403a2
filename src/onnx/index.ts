export { type EmittedModel, emit } from './emit.ts'
export { structuralHash } from './hash.ts'
export { narrow, optimise } from './passes/index.ts'
export { substitute } from './passes/rewrite.ts'
