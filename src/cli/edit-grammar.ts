import { nearMatches } from '../errors/index.ts'
import type { EditJson } from '../runs/index.ts'
import { UsageError } from './errors.ts'

/** How an edit is written on the command line; shown by help and by every error about one. */
export const EDIT_GRAMMAR = `An edit is KIND HOOK [PLACE...] [VALUE...], or the same as JSON:
  zero HOOK                     set to zero
  mean HOOK [per=position]      set to the mean over the prompt
                                (prompts=["a","b"]: over those)
  resample HOOK from="other"    take another prompt's activation
  replace HOOK value=1.5        set to a number, a list [..], or @FILE.json
  add HOOK value=1 [factor=2]   add a number, a list, or @FILE.json
  scale HOOK by=0.5             multiply
  project_out HOOK direction=@FILE.json
                                remove the component along a direction
  clamp HOOK [min=-1] [max=1]   limit
  freeze HOOK                   hold at the value of the unedited run
HOOK is a name or a glob (diopter info lists them).
PLACE is position=-1, head=0,3, neuron=17, key=0.
  --edit "zero blocks.0.attn.hook_z head=3 position=-1"`

/** What a word after the hook means: the field of the edit, and how its value is read. */
interface Key {
  readonly field: string
  readonly read: 'indices' | 'number' | 'value' | 'text or ids' | 'word'
}

const PLACES: Readonly<Record<string, Key>> = Object.fromEntries(
  ['position', 'head', 'neuron', 'key'].flatMap((name) =>
    [name, `${name}s`].map((word) => [word, { field: `${name}s`, read: 'indices' }]),
  ),
)

const KINDS: Readonly<Record<string, { readonly keys: Readonly<Record<string, Key>>; readonly needs?: string }>> = {
  zero: { keys: {} },
  mean: { keys: { per: { field: 'per', read: 'word' }, prompts: { field: 'prompts', read: 'value' } } },
  resample: { keys: { from: { field: 'from', read: 'text or ids' } }, needs: 'from' },
  replace: { keys: { value: { field: 'value', read: 'value' } }, needs: 'value' },
  add: {
    keys: { value: { field: 'value', read: 'value' }, factor: { field: 'factor', read: 'number' } },
    needs: 'value',
  },
  scale: { keys: { by: { field: 'factor', read: 'number' } }, needs: 'by' },
  project_out: { keys: { direction: { field: 'direction', read: 'value' } }, needs: 'direction' },
  clamp: { keys: { min: { field: 'min', read: 'number' }, max: { field: 'max', read: 'number' } } },
  freeze: { keys: {} },
}

/**
 * Reads `--edit`. `readFile` gives the JSON of a file named by `@FILE`.
 * The fields' types are checked when the edit becomes part of a spec. Throws a usage error that shows the grammar.
 */
export async function parseEdit(text: string, readFile: (path: string) => Promise<unknown>): Promise<EditJson> {
  if (text.trim().startsWith('{')) return parseJson(text, text) as EditJson
  const [kind, hook, ...rest] = splitWords(text)
  if (kind === undefined) throw grammarError(text, 'it is empty')
  if (!Object.hasOwn(KINDS, kind))
    throw grammarError(
      text,
      `there is no edit "${kind}"; nearest: ${nearMatches(kind, Object.keys(KINDS), 2).join(', ')}`,
    )
  if (hook === undefined || hook.includes('=')) throw grammarError(text, `after "${kind}" comes a hook`)
  const { keys, needs } = KINDS[kind]!
  const known = { ...keys, ...PLACES }
  const edit: Record<string, unknown> = { kind, hook }
  for (const word of rest) {
    const at = word.indexOf('=')
    const name = at < 0 ? word : word.slice(0, at)
    if (at < 0 || !Object.hasOwn(known, name))
      throw grammarError(
        text,
        `"${word}" is no part of "${kind}", which takes ${Object.keys({ ...keys })
          .map((key) => `${key}=`)
          .concat('position=, head=, neuron=, key=')
          .join(', ')}`,
      )
    const { field, read } = known[name]!
    if (field in edit) throw grammarError(text, `"${name}" is given twice`)
    edit[field] = await readValue(read, word.slice(at + 1), { text, name, readFile })
  }
  if (needs !== undefined && !(keys[needs]!.field in edit)) throw grammarError(text, `"${kind}" needs ${needs}=`)
  if (kind === 'clamp' && !('min' in edit) && !('max' in edit))
    throw grammarError(text, '"clamp" needs min=, max= or both')
  return edit as EditJson
}

interface Place {
  readonly text: string
  readonly name: string
  readonly readFile: (path: string) => Promise<unknown>
}

async function readValue(read: Key['read'], value: string, { text, name, readFile }: Place): Promise<unknown> {
  const number = (digits: string) => {
    const parsed = Number(digits)
    if (digits.trim() === '' || !Number.isFinite(parsed)) throw grammarError(text, `${name}=${value} is not a number`)
    return parsed
  }
  switch (read) {
    case 'indices': {
      const list = value.split(',').map(number)
      if (!list.every(Number.isInteger)) throw grammarError(text, `${name}=${value} is not a list of whole numbers`)
      return list
    }
    case 'number':
      return number(value)
    case 'word':
      return value
    case 'text or ids':
      return /^\s*\[/.test(value) ? parseJson(value, text) : value
    case 'value':
      if (value.startsWith('@')) return readFile(value.slice(1))
      return /^\s*[[{]/.test(value) ? parseJson(value, text) : number(value)
  }
}

function parseJson(json: string, text: string): unknown {
  try {
    return JSON.parse(json)
  } catch (error) {
    throw grammarError(text, `${json} is not JSON (${(error as Error).message})`)
  }
}

/** Words separated by spaces; parts in double or single quotes, and in brackets, hold together. */
function splitWords(text: string): string[] {
  const words: string[] = []
  let [word, quote, depth, open] = ['', '', 0, false]
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!
    if (quote !== '' && depth === 0) {
      if (character === quote) quote = ''
      else word += character === '\\' && i + 1 < text.length && /["'\\]/.test(text[i + 1]!) ? text[++i]! : character
      continue
    }
    // Inside brackets the text is JSON: its quotes stay.
    if (quote !== '') {
      if (character === '\\') word += character + (text[++i] ?? '')
      else {
        word += character
        if (character === quote) quote = ''
      }
      continue
    }
    if (/\s/.test(character) && depth === 0) {
      if (open) words.push(word)
      ;[word, open] = ['', false]
      continue
    }
    open = true
    if (/[[{]/.test(character)) depth++
    if (/[\]}]/.test(character)) depth--
    if (character === '"' || (character === "'" && depth === 0)) {
      quote = character
      if (depth === 0) continue
    }
    word += character
  }
  if (quote !== '' || depth !== 0)
    throw grammarError(text, quote !== '' ? 'a quote is not closed' : 'a bracket is not closed')
  if (open) words.push(word)
  return words
}

function grammarError(text: string, problem: string): UsageError {
  return new UsageError(`Cannot read the edit '${text}': ${problem}.\n${EDIT_GRAMMAR}`)
}
