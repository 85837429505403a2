import { DiopterError } from '../../../errors/index.ts'
import type { DroppedFolder } from '../../browser/dropped-folder.ts'
import { type Session, say } from './session.ts'

/** Makes a folder of this computer a model of the browser engine, which is then used; gives what `model.ref` says. */
export async function addFolder(session: Session, folder: DroppedFolder): Promise<string> {
  if (!session.addFolder)
    throw new DiopterError(
      'Folders are read by the browser engine, which is not there. Start the server with the folder instead.',
    )
  const { engine } = session.workspace.get()
  if (engine !== 'browser') {
    session.workspace.dispatch({ kind: 'useEngine', engine: 'browser', gpu: false })
    say(session, 'The browser engine is used now: a folder of this computer is read in the page.')
  }
  const ref = session.addFolder(folder)
  session.queries.dispatch({ kind: 'forget', startsWith: 'models browser' })
  return ref
}
