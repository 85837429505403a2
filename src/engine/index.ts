export {
  type Backend,
  type BackendSession,
  isStored,
  type SessionOptions,
  type StoredTensor,
  type TensorValue,
} from './backend.ts'
export {
  bytesOf,
  type CompileOptions,
  Engine,
  type EngineOptions,
  type EngineStatistics,
  type Program,
  type Residency,
} from './engine.ts'
export { OrtBackend, type OrtBackendOptions, type OrtModule } from './ort-backend.ts'
