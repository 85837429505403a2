import { useSession } from '../state/session.ts'
import { useStore } from '../state/store.ts'

/** Tells screen readers when work begins and how it ended; not how it goes on. */
export function Announcer() {
  const { jobs: store } = useSession()
  const newest = useStore(store, (jobs) => jobs[0])
  const said = !newest || newest.title.startsWith('Inspector') ? '' : `${newest.title}: ${newest.status}`
  return (
    <p className="visually-hidden" role="status">
      {said}
    </p>
  )
}
