export type { Check, Verdict } from './checks.ts'
export type { LensOptions, LensReading, LensToken, LensValues } from './logit-lens.ts'
export type { Cost, MethodResult } from './result.ts'
