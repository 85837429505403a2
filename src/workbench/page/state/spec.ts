import type { EditJson, Method, ModelSpec, PromptJson, RunSpecInput, TokenJson } from '../../../runs/index.ts'
import { backendOf } from './engines.ts'
import type { Workspace } from './workspace.ts'

/** The model of a workspace as a spec names it. */
export function modelOf({ model, revision }: Pick<Workspace, 'model' | 'revision'>): ModelSpec {
  return revision === null ? { ref: model } : { ref: model, revision }
}

/** A typed prompt: a text, or the token ids that it lists where the model has no tokenizer. */
export function promptOf(typed: string, hasTokenizer: boolean): PromptJson {
  return hasTokenizer ? typed : idsOf(typed)
}

/** The numbers in a text: `3 17, 4` is 3, 17 and 4. */
export function idsOf(typed: string): number[] {
  return typed.split(/[\s,]+/).flatMap((word) => (/^\d+$/.test(word) ? [Number(word)] : []))
}

function tokenOf(typed: string, hasTokenizer: boolean): TokenJson {
  return hasTokenizer ? typed : (idsOf(typed)[0] ?? typed)
}

/** A spec that can be run, or why there is none yet: a sentence. */
export type SpecOrReason =
  | { readonly spec: RunSpecInput; readonly missing: null }
  | { readonly spec: null; readonly missing: string }

/** What running a method's panel means now. */
export function specOf(method: Method, workspace: Workspace, hasTokenizer: boolean): SpecOrReason {
  const panel = workspace.panels[method.name] ?? {}
  const prompts = promptsOf(method, workspace, hasTokenizer, panel.prompt ?? false)
  if (typeof prompts === 'string') return { spec: null, missing: prompts }
  const spec: RunSpecInput = {
    version: 1,
    model: modelOf(workspace),
    method: method.name,
    prompts,
    parameters: panel.parameters ?? method.example.parameters ?? {},
    edits: workspace.chips.filter(({ on }) => on).map(({ edit }) => withCorrupt(edit, workspace.corrupt)),
    backend: backendOf(workspace),
  }
  return { spec, missing: null }
}

/** An edit that resamples from no prompt in particular takes the corrupted one. */
function withCorrupt(edit: EditJson, corrupt: string): EditJson {
  return edit.kind === 'resample' && edit.from === '' ? { ...edit, from: corrupt } : edit
}

function promptsOf(
  method: Method,
  { clean, corrupt, answer, wrong }: Workspace,
  hasTokenizer: boolean,
  withPrompt: boolean,
): RunSpecInput['prompts'] | string {
  if (method.takes === 'optional prompts') return withPrompt && clean !== '' ? [promptOf(clean, hasTokenizer)] : []
  const noun = hasTokenizer ? 'a prompt' : 'a prompt of token ids'
  if (isEmpty(clean, hasTokenizer)) return `Type ${noun} on the left.`
  const prompt = promptOf(clean, hasTokenizer)
  if (method.takes === 'prompts') return [prompt]
  const tokens = {
    ...(answer === '' ? {} : { answer: tokenOf(answer, hasTokenizer) }),
    ...(wrong === '' ? {} : { wrong: tokenOf(wrong, hasTokenizer) }),
  }
  if (method.takes === 'questions') return [{ prompt, ...tokens }]
  if (isEmpty(corrupt, hasTokenizer)) return 'This compares two prompts: type a corrupted one on the left.'
  if (tokens.answer === undefined) return "Say on the left which token is the clean prompt's answer."
  return [{ clean: prompt, corrupt: promptOf(corrupt, hasTokenizer), ...tokens, answer: tokens.answer }]
}

const isEmpty = (typed: string, hasTokenizer: boolean) => (hasTokenizer ? typed === '' : idsOf(typed).length === 0)
