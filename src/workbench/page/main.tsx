import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { createBrowserService } from '../browser/worker-service.ts'
import { App } from './app.tsx'
import { connectEngines } from './state/connect.ts'
import { followHistory } from './state/history.ts'
import { createSession, say } from './state/session.ts'
import { takeToken } from './state/token.ts'
import { readWorkspace } from './state/url.ts'

const token = takeToken(window)
const { workspace, problems } = readWorkspace(window.location.hash)
const browser = createBrowserService({ token })
const session = createSession(workspace, browser.addFolder)
followHistory(session, window, token)
for (const problem of problems) say(session, problem, true)
void connectEngines(session, browser, token)

createRoot(document.getElementById('page')!).render(
  <StrictMode>
    <App session={session} />
  </StrictMode>,
)
