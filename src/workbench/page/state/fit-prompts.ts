import type { OpenedModel } from '../../service/messages.ts'
import type { Session } from './session.ts'
import { idsOf, modelOf } from './spec.ts'

/** Tokens of the random part, which then comes again: what induction heads read. */
const PERIOD = 12

/** Gives a model that reads token ids a prompt of ids, where the prompts are texts. */
export function fitPrompts({ workspace, queries }: Session): void {
  const now = workspace.get()
  const ref = JSON.stringify(modelOf(now))
  const key = [...queries.get().keys()].findLast((each) => each.startsWith('open ') && each.includes(ref))
  const opened = key === undefined ? undefined : (queries.get().get(key)?.data as OpenedModel | undefined)
  if (!opened || opened.hasTokenizer || isIds(now.clean)) return
  const { d_vocab, d_vocab_out } = opened.config
  // A token that is never predicted is the start token of such models.
  const start = d_vocab > d_vocab_out ? [d_vocab - 1] : []
  const repeated = Array.from({ length: PERIOD }, (_, i) => (7 + i * 29) % d_vocab_out)
  const clean = [...start, ...repeated, ...repeated.slice(0, -1)]
  const other = (repeated[PERIOD - 1]! + 1) % d_vocab_out
  const corrupt = clean.with(start.length + PERIOD - 1, other)
  const typed = {
    clean: clean.join(' '),
    corrupt: corrupt.join(' '),
    answer: String(repeated[PERIOD - 1]),
    wrong: String(other),
  }
  for (const field of ['clean', 'corrupt', 'answer', 'wrong'] as const)
    workspace.dispatch({ kind: 'type', field, text: typed[field] })
}

const isIds = (typed: string) =>
  typed.trim() === '' || idsOf(typed).join(' ') === typed.trim().replaceAll(/[\s,]+/g, ' ')
