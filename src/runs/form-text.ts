import { DiopterError } from '../errors/index.ts'
import type { FormField } from './form.ts'
import type { PromptJson } from './prompt-schema.ts'
import { readPrompt } from './prompt-text.ts'

/** What a field can hold; undefined where it was left empty. */
export type FieldValue =
  | string
  | boolean
  | number
  | null
  | undefined
  | readonly number[]
  | readonly (readonly number[])[]
  | readonly PromptJson[]
  | Readonly<Record<string, unknown>>

const ON = ['yes', 'true', 'on']
const OFF = ['no', 'false', 'off']
const NONE = 'none'
/** Longer lists are slips of the keyboard. */
const MOST = 100_000

/**
 * What a person typed into a field: `0-3, 5, -1` for whole numbers, one text, prompt or row of numbers per line, `none` where that can be
 * said. Undefined where it was left empty. Throws one sentence that says what could stand there.
 */
export function readField(field: FormField, text: string): FieldValue {
  const fail = (what: string) => new DiopterError(`${field.label}: ${what}.`)
  const typed = text.trim()
  if (typed === '') {
    if (field.required) throw fail('this cannot be left empty')
    return undefined
  }
  if (field.nullable && typed === NONE) return null
  switch (field.kind) {
    case 'choice':
      if (field.choices!.includes(typed)) return typed
      throw fail(`"${typed}" is none of ${field.choices!.join(', ')}`)
    case 'switch':
      if (ON.includes(typed) || OFF.includes(typed)) return ON.includes(typed)
      throw fail(`"${typed}" is neither yes nor no`)
    case 'number':
      return readNumber(field, typed, fail)
    case 'integers':
      return enough(field, readIntegers(field, typed, fail), fail)
    case 'text':
      return typed
    case 'texts':
      return enough(field, lines(text), fail)
    case 'rows':
      return lines(text).map((line) => readRow(field, line, fail))
    case 'json':
      return readJson(typed, fail)
    case 'prompts':
      return enough(field, lines(text).map(readPrompt), fail)
  }
}

/** What `readField` reads as this value again. */
export function writeField(field: FormField, value: FieldValue): string {
  if (value === undefined) return ''
  if (value === null) return NONE
  if (typeof value === 'boolean') return value ? ON[0]! : OFF[0]!
  if (field.kind === 'integers') return ranges(value as readonly number[])
  if (field.kind === 'json') return JSON.stringify(value, null, 1)
  if (!Array.isArray(value)) return String(value)
  return value.map((entry) => (typeof entry === 'string' ? entry : JSON.stringify(entry))).join('\n')
}

type Fail = (what: string) => DiopterError

/** `0.5, -1e-3 2`, with or without brackets. */
function readRow(field: FormField, line: string, fail: Fail): number[] {
  const given = line.replace(/^\s*\[|\]\s*,?\s*$/g, '').split(/[\s,;]+/)
  return given.filter((part) => part !== '').map((part) => readNumber(field, part, fail))
}

/** An object as JSON. */
function readJson(typed: string, fail: Fail): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(typed)
  } catch (error) {
    throw fail(`this is not JSON (${(error as Error).message})`)
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw fail('this should be an object, such as {"output": ["..."]}')
}

/** Spaces count in texts: only empty lines go. */
const lines = (text: string): string[] => text.split(/\r?\n/).filter((line) => line.trim() !== '')

function enough<T>({ fewest = 1 }: FormField, list: readonly T[], fail: Fail): readonly T[] {
  if (list.length >= fewest) return list
  throw fail(`there must be at least ${fewest}`)
}

function readNumber(field: FormField, typed: string, fail: Fail): number {
  const value = Number(typed.replace(/^\u2212/, '-'))
  const { integer, minimum, maximum, above } = field
  if (!Number.isFinite(value) || (integer && !Number.isInteger(value)))
    throw fail(`"${typed}" is no ${integer ? 'whole ' : ''}number`)
  if (minimum !== undefined && value < minimum) throw fail(`${typed} is too small; the least is ${minimum}`)
  if (above !== undefined && value <= above) throw fail(`${typed} is too small; it must be more than ${above}`)
  if (maximum !== undefined && value > maximum) throw fail(`${typed} is too large; the most is ${maximum}`)
  return value
}

/** `0-3, 5, -1` (also `-3--1`) as the numbers themselves. */
function readIntegers(field: FormField, typed: string, fail: Fail): number[] {
  const given = typed.replaceAll('\u2212', '-').split(/[\s,;]+/)
  return given
    .filter((part) => part !== '')
    .flatMap((part) => {
      const [, from, to] = /^(-?\d+)(?:(?:-|\u2013)(-?\d+))?$/.exec(part) ?? []
      if (from === undefined) throw fail(`"${part}" is no whole number and no range; write for example 0-3, 5, -1`)
      const first = readNumber(field, from, fail)
      if (to === undefined) return [first]
      const last = readNumber(field, to, fail)
      if (last < first) throw fail(`the range ${part} runs backwards; write ${last}-${first}`)
      if (last - first >= MOST) throw fail(`the range ${part} has ${last - first + 1} numbers, more than ${MOST}`)
      return Array.from({ length: last - first + 1 }, (_, i) => first + i)
    })
}

/** Runs of three and more as ranges. */
function ranges(values: readonly number[]): string {
  const parts: string[] = []
  for (let i = 0; i < values.length; ) {
    let end = i
    while (end + 1 < values.length && values[end + 1] === values[end]! + 1) end++
    if (end - i < 2) end = i
    parts.push(end === i ? String(values[i]) : `${values[i]}-${values[end]}`)
    i = end + 1
  }
  return parts.join(', ')
}
