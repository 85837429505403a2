import { Collapsible } from 'radix-ui'
import { useId } from 'react'
import type { Method } from '../../../runs/index.ts'
import type { Job } from '../state/jobs.ts'
import { UNASKED_SECONDS } from '../state/self-run.ts'
import { useSession, useWorkspace } from '../state/session.ts'
import { useStore } from '../state/store.ts'
import { Button } from '../ui/button.tsx'
import { Icon } from '../ui/icons.tsx'
import { timeText } from '../ui/numbers.ts'
import { ProgressBar } from '../ui/progress.tsx'
import { PanelActions } from './panel-actions.tsx'
import { ParameterForm } from './parameter-form.tsx'
import { RunDetails } from './run-details.tsx'
import { RunPictures } from './run-pictures.tsx'
import { isOpenAtFirst } from './telling.ts'
import { type PanelWork, usePanel } from './use-panel.ts'
import './panel.css'

/** One method: its form, its run and what came of it. */
export function Panel({ method }: { readonly method: Method }) {
  const session = useSession()
  const state = useWorkspace((workspace) => workspace.panels[method.name])
  const id = useId()
  const isOpen = state?.open ?? isOpenAtFirst(method)
  const setOpen = (open: boolean) =>
    session.workspace.dispatch({ kind: 'setPanel', method: method.name, panel: { open } })
  return (
    <Collapsible.Root asChild open={isOpen} onOpenChange={setOpen}>
      <section className="panel" aria-labelledby={id} data-method={method.name}>
        <header className="panel-head">
          <h2 className="panel-title">
            <Collapsible.Trigger className="panel-toggle">
              <Icon name="chevron" size={14} />
              <span id={id}>{method.title}</span>
            </Collapsible.Trigger>
          </h2>
          <p className="panel-summary">{method.summary}</p>
        </header>
        <Collapsible.Content>
          <PanelBody method={method} />
        </Collapsible.Content>
      </section>
    </Collapsible.Root>
  )
}

function PanelBody({ method }: { readonly method: Method }) {
  const work = usePanel(method)
  const session = useSession()
  const { record, shown, isStale } = work
  const job = useStore(session.jobs, (jobs) => jobs.find(({ id }) => id === record?.job))
  return (
    <div className="panel-body">
      <form
        className="panel-form"
        onSubmit={(event) => {
          event.preventDefault()
          work.run()
        }}
      >
        <ParameterForm method={method} />
        <div className="panel-run">
          <RunButton work={work} job={job} />
        </div>
        <PanelActions method={method} work={work} />
      </form>
      {job?.status === 'running' && <ProgressBar name={`${method.title}: progress`} progress={job.progress} />}
      {work.asked.missing && <p className="panel-note">{work.asked.missing}</p>}
      {isStale && !work.asked.missing && job?.status !== 'running' && (
        <p className="panel-note">This is the last run; what is asked has changed since. Run to see it anew.</p>
      )}
      {record?.error && <p className="panel-note problem">{record.error}</p>}
      {record && record.text !== '' && record.job !== null && <p className="panel-text mono">{record.text}</p>}
      {shown && (
        <div className={isStale ? 'panel-result stale' : 'panel-result'}>
          {!shown.complete && job?.status !== 'running' && (
            <p className="panel-note">
              {record?.unasked
                ? `It began by itself and stopped, as all of it takes longer than ${UNASKED_SECONDS} s: this is what was done until then. Run it for the rest.`
                : 'Cancelled: this is what was done until then.'}
            </p>
          )}
          <RunPictures result={shown} method={method} />
          <RunDetails result={shown} />
        </div>
      )}
    </div>
  )
}

function RunButton({ work, job }: { readonly work: PanelWork; readonly job: Job | undefined }) {
  if (job?.status === 'running')
    return (
      <Button icon="stop" onClick={job.cancel}>
        Cancel
      </Button>
    )
  return (
    <>
      <Button look="primary" type="submit" icon="play" disabled={work.asked.spec === null}>
        Run
      </Button>
      {work.shown?.complete && (
        <span className="muted small">
          {work.record?.unasked && 'ran by itself, '}
          {timeText(work.shown.cost.milliseconds)}
        </span>
      )}
    </>
  )
}
