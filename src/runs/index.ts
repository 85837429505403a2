/** Experiments as data: a spec goes in, a result with values, checks and cost comes out, and pictures of it. */

export type { EditJson } from './edit-schema.ts'
export { editSchema } from './edit-schema.ts'
export { type FieldKind, type FormField, formOf } from './form.ts'
export { type FieldValue, readField, writeField } from './form-text.ts'
export type {
  LabelledSpec,
  Method,
  MethodContext,
  MethodExample,
  MethodQuestion,
  MethodRow,
  PromptForm,
} from './method.ts'
export type { PairJson, PromptJson, QuestionJson, TokenJson, TracedJson } from './prompt-schema.ts'
export { pairSchema, promptSchema, questionSchema, tokenSchema } from './prompt-schema.ts'
export { readPrompt } from './prompt-text.ts'
export { methodNames, methodOf, methods } from './registry.ts'
export {
  parseResult,
  parseSpec,
  type RunnerOptions,
  type RunResult,
  resultToJson,
  runSpec,
  runsAtOf,
  viewsOf,
} from './runner.ts'
export { type ModelSpec, type RunSpec, type RunSpecInput, runResultSchema, runSpecSchema } from './schema.ts'
export { toCommand, toScript } from './script.ts'
export { type Claim, type MethodClaims, restrictClaims, type TruthRun } from './truth-tests/claims.ts'
export { askedQuestions, questionPrompts } from './truth-tests/question-claims.ts'
export { type AnyClaims, claimingMethods, claimsOf } from './truth-tests/table.ts'
export {
  type CheckCounts,
  type FamilyOutcome,
  type MethodTest,
  type TestedRun,
  type TestMethodOptions,
  testMethod,
  testOn,
} from './truth-tests/test-method.ts'
export { checkTable, familyTable } from './truth-tests/test-tables.ts'
