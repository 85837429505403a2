import { DiopterError } from '../../errors/index.ts'
import { parseResult } from '../../runs/index.ts'
import { toJsonText } from '../../runs/result-json.ts'
import type { LogEntry } from '../../train/index.ts'
import type { RequestName, Requests, ServiceEvent } from './messages.ts'

/** What travels: a service's events, and where a request stands that others are before. */
export type WireEvent =
  | ServiceEvent
  /** The work begins. */
  | { readonly kind: 'started'; readonly id: number }
  /** The work waits until `ahead` others are done. */
  | { readonly kind: 'queued'; readonly id: number; readonly ahead: number }

/** Whether an event is the last one of its request. */
export function isLast({ kind }: Pick<WireEvent, 'kind'>): boolean {
  return kind === 'done' || kind === 'failed' || kind === 'cancelled'
}

/** An event as one line of JSON without its line break; typed arrays are their bytes. */
export function encodeEvent(event: WireEvent): string {
  const written = event.kind === 'log' ? { ...event, entries: writeLog(event.entries) } : withWrittenLog(event)
  return toJsonText(written, 'base64')
}

/** Reads what `encodeEvent` wrote of a request of that kind. Throws where it is something else. */
export function decodeEvent(kind: RequestName, text: string): WireEvent {
  let event: WireEvent
  try {
    event = JSON.parse(text) as WireEvent
  } catch {
    throw new DiopterError(`The service sent something that is no event: ${text.slice(0, 80)}`)
  }
  if (event.kind === 'log') return { ...event, entries: readLog(event.entries) }
  if (event.kind === 'partial') return { ...event, result: parseResult(event.result) }
  if (event.kind !== 'done') return event
  if (kind === 'run') return { kind: 'done', answer: parseResult(event.answer) }
  if (kind !== 'train') return event
  const answer = event.answer as Requests['train']['answer']
  return { kind: 'done', answer: { ...answer, log: readLog(answer.log) } }
}

function withWrittenLog(event: WireEvent): WireEvent {
  if (event.kind !== 'done' || typeof event.answer !== 'object' || event.answer === null || !('log' in event.answer))
    return event
  const answer = event.answer as Requests['train']['answer']
  return { ...event, answer: { ...answer, log: writeLog(answer.log) } }
}

/** Losses that diverged are no numbers of JSON: they travel as texts, `"NaN"`. */
function writeLog(log: readonly LogEntry[]): unknown[] {
  const write = (value: number) => (Number.isFinite(value) ? value : String(value))
  return mapLog(log, (value) => (typeof value === 'number' ? write(value) : value.map(write)))
}

function readLog(log: readonly LogEntry[]): LogEntry[] {
  return mapLog(log, (value) => (Array.isArray(value) ? value.map(Number) : Number(value))) as LogEntry[]
}

function mapLog(log: readonly LogEntry[], map: (value: number | readonly number[]) => unknown): unknown[] {
  return log.map(({ step, values }) => ({
    step,
    values: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(value)])),
  }))
}
