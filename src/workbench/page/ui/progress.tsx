import { Progress as Radix } from 'radix-ui'
import type { Progress } from '../../../errors/index.ts'
import './progress.css'

/** How far work is, with what it says of itself. */
export function ProgressBar({ name, progress }: { readonly name: string; readonly progress: Progress | null }) {
  const share = progress && progress.total > 0 ? Math.min(1, progress.done / progress.total) : null
  return (
    <div className="progress-row">
      <Radix.Root
        className="progress"
        aria-label={name}
        value={share === null ? null : Math.round(share * 100)}
        max={100}
      >
        <Radix.Indicator className="progress-bar" style={{ width: share === null ? '12%' : `${share * 100}%` }} />
      </Radix.Root>
      <span className="progress-words">{progress ? progressText(progress) : 'starting'}</span>
    </div>
  )
}

/** `layers 34 of 56, 3 s left` */
export function progressText({ phase, done, total, unit, etaSeconds, detail }: Progress): string {
  if (phase === 'waiting for other work') return `${total} before it`
  const count = unit === 'bytes' ? `${mega(done)} of ${mega(total)} MB` : `${done} of ${total}${unit ? ` ${unit}` : ''}`
  const left = etaSeconds === undefined || !Number.isFinite(etaSeconds) ? [] : [`${timeLeft(etaSeconds)} left`]
  return [phase, count, ...left, ...(detail ? [detail] : [])].join(', ')
}

const mega = (bytes: number) => (bytes / 1e6).toFixed(1)
const timeLeft = (seconds: number) =>
  seconds < 60 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`
