import { Collapsible } from 'radix-ui'
import type { Job } from '../state/jobs.ts'
import { useSession } from '../state/session.ts'
import { useStore } from '../state/store.ts'
import { Button, IconButton } from '../ui/button.tsx'
import { Icon } from '../ui/icons.tsx'
import { timeText } from '../ui/numbers.ts'
import { ProgressBar } from '../ui/progress.tsx'
import './jobs-bar.css'

/** What is being worked on: one line, and the list when it is opened. */
export function JobsBar() {
  const { jobs: store } = useSession()
  const jobs = useStore(store, (state) => state)
  const running = jobs.filter(({ status }) => status === 'running')
  const [first] = running
  return (
    <Collapsible.Root className="jobs">
      <div className="jobs-line">
        <Collapsible.Trigger className="jobs-toggle" data-shortcut="jobs">
          <Icon name="chevron" size={12} />
          Jobs
          <span className="muted">{running.length === 0 ? 'none running' : `${running.length} running`}</span>
        </Collapsible.Trigger>
        {first && (
          <>
            <span className="jobs-title">{first.title}</span>
            <ProgressBar name={first.title} progress={first.progress} />
            <IconButton icon="close" name={`Cancel: ${first.title}`} onClick={first.cancel} />
          </>
        )}
      </div>
      <Collapsible.Content className="jobs-list">
        {jobs.length === 0 ? (
          <p className="muted small">Nothing was run yet.</p>
        ) : (
          <ul aria-label="Jobs">
            {jobs.map((job) => (
              <JobRow key={job.id} job={job} />
            ))}
          </ul>
        )}
        {jobs.length > running.length && (
          <Button look="quiet" onClick={() => store.dispatch({ kind: 'forgetEnded' })}>
            Clear what ended
          </Button>
        )}
      </Collapsible.Content>
    </Collapsible.Root>
  )
}

function JobRow({ job: { title, engine, status, progress, seconds, message, cancel } }: { readonly job: Job }) {
  return (
    <li className="job">
      <span className="job-title">{title}</span>
      <span className="muted small">{engine === 'browser' ? 'browser' : 'Node'}</span>
      {status === 'running' ? (
        <>
          <ProgressBar name={title} progress={progress} />
          <Button look="quiet" onClick={cancel}>
            Cancel
          </Button>
        </>
      ) : (
        <span className={status === 'failed' ? 'problem small' : 'muted small'}>
          {status}
          {seconds !== null && ` after ${timeText(seconds * 1000)}`}
          {message && `: ${message}`}
        </span>
      )}
    </li>
  )
}
