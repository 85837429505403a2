import type { OpenedModel, TokenizedText } from '../../service/messages.ts'
import { backendOf } from './engines.ts'
import { useWorkspace } from './session.ts'
import { idsOf, modelOf } from './spec.ts'
import { type Query, useQuery } from './use-query.ts'

/** The model of the workspace, opened on the chosen engine. */
export function useOpenedModel(): Query<OpenedModel> {
  const model = useWorkspace((workspace) => workspace.model)
  const revision = useWorkspace((workspace) => workspace.revision)
  const backend = useWorkspace(backendOf)
  return useQuery('open', { model: modelOf({ model, revision }), backend }, { job: `Open ${model}` })
}

/** Whether prompts are texts; taken for granted until the model is open. */
export function useHasTokenizer(): boolean {
  const { data, isPending } = useOpenedModel()
  return isPending ? true : (data?.hasTokenizer ?? true)
}

/** A typed prompt as the model sees it; null without a text or a tokenizer that is known. */
export function useTokens(typed: string, prependBos?: boolean): Query<TokenizedText> {
  const opened = useOpenedModel()
  const model = useWorkspace((workspace) => workspace.model)
  const revision = useWorkspace((workspace) => workspace.revision)
  const backend = useWorkspace(backendOf)
  const isReadable = opened.data?.hasTokenizer === true && typed !== ''
  const ask = { model: modelOf({ model, revision }), backend, text: typed, prependBos }
  const query = useQuery('tokenize', isReadable ? ask : null, { delay: 120 })
  if (opened.data?.hasTokenizer !== false) return query
  const ids = idsOf(typed)
  return { data: { ids, tokens: ids.map(String) }, error: null, isPending: false }
}
