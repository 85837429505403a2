import type { Progress } from '../errors/index.ts'
import { formatBytes, formatCount, formatDuration } from './units.ts'

export interface ProgressLine {
  readonly onProgress: (progress: Progress) => void
  /** Takes the line away, so that other output starts at an empty one. */
  readonly clear: () => void
}

/** Where progress goes; `process.stderr` is one. */
export interface ProgressStream {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/** Work that is done before anybody could read about it draws nothing. */
const QUIET_MS = 300
/** A terminal's line is redrawn at most this often; a log gets a line at most every five seconds and per phase. */
const REDRAW_MS = 100
const LOG_MS = 5000

/** Reports progress on `stream`: one line that is redrawn on a terminal, lines now and then elsewhere when `always`. */
export function progressLine(stream: ProgressStream, always: boolean, now: () => number = Date.now): ProgressLine {
  const isTTY = stream.isTTY === true
  const started = now()
  const phases = new Set<string>()
  let [drawn, last] = [false, Number.NEGATIVE_INFINITY]
  return {
    onProgress(progress) {
      if ((!isTTY && !always) || (isTTY && now() - started < QUIET_MS)) return
      // Files that arrive at the same time take turns: a phase is new once.
      const isNew = !phases.has(progress.phase)
      if (!isNew && progress.done < progress.total && now() - last < (isTTY ? REDRAW_MS : LOG_MS)) return
      last = now()
      phases.add(progress.phase)
      const text = progressText(progress)
      const room = (stream.columns || 80) - 1
      stream.write(isTTY ? `\r\u001b[2K${text.slice(0, room)}` : `${text}\n`)
      drawn = isTTY
    },
    clear() {
      if (drawn) stream.write('\r\u001b[2K')
      drawn = false
    },
  }
}

/** `running variants: 96 of 192 variants (50%), 12 s left`, and the detail where there is one. */
export function progressText({ phase, done, total, unit, etaSeconds, detail }: Progress): string {
  if (total <= 0) return phase
  const [part, whole] =
    unit === 'bytes'
      ? [formatBytes(done), formatBytes(total)]
      : [formatCount(done), `${formatCount(total)} ${unit ?? ''}`.trim()]
  const left =
    etaSeconds !== undefined && Number.isFinite(etaSeconds) && done < total
      ? `, ${formatDuration(etaSeconds)} left`
      : ''
  return `${phase}: ${part} of ${whole} (${Math.floor((100 * done) / total)}%)${left}${detail === undefined ? '' : `, ${detail}`}`
}
