// What Node and browsers share: all public names that need neither.
export * from './autodiff/index.ts'
export * from './engine/index.ts'
export { DiopterError, type Progress, type WorkOptions } from './errors/index.ts'
export { type Checkpoint, type CheckpointTensor, openCheckpoint } from './hub/checkpoint.ts'
export type { SafetensorsDtype, TensorEntry } from './hub/safetensors.ts'
export { type TensorToWrite, writeSafetensors } from './hub/safetensors-write.ts'
export type { ResolvedModel } from './hub/snapshot.ts'
export { type FileSource, memorySource } from './hub/source.ts'
export * from './lab/index.ts'
export * from './methods/index.ts'
export * from './models/compiled/index.ts'
export { architectures, type HookPoint, type ModelConfig, type ProcessingOptions } from './models/index.ts'
export * from './optim/index.ts'
export { permutation, type RandomSource, randomSource } from './random/index.ts'
export * from './runs/index.ts'
export * from './tensor/index.ts'
export { type AlignedPosition, alignPrompts, type PromptAlignment } from './tokenizer/align.ts'
export type { ChatMessage } from './tokenizer/chat.ts'
export type { Span } from './tokenizer/spans.ts'
export {
  type EncodeOptions,
  type Encoding,
  loadTokenizer,
  type StartToken,
  type Tokenizer,
} from './tokenizer/tokenizer.ts'
export * from './train/index.ts'
export * from './views/index.ts'
