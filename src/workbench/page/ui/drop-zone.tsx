import { useEffect, useState } from 'react'
import { droppedFolder } from '../../browser/dropped-folder.ts'
import { addFolder } from '../state/local-folders.ts'
import { say, useSession } from '../state/session.ts'
import './drop-zone.css'

/** Makes the whole page take a model's folder. Dragging has no keys: the model picker's folder button does the same. */
export function DropZone() {
  const session = useSession()
  const [isOver, setOver] = useState(false)
  useEffect(() => {
    const listeners = new AbortController()
    const { signal } = listeners
    const take = async (data: DataTransfer) => {
      try {
        const ref = await addFolder(session, await droppedFolder(data))
        session.workspace.dispatch({ kind: 'openModel', ref, revision: null, prompts: null })
      } catch (error) {
        say(session, error instanceof Error ? error.message : String(error), true)
      }
    }
    const onFiles = (type: 'dragover' | 'drop', act: (data: DataTransfer) => void) =>
      document.addEventListener(
        type,
        (event) => {
          if (!event.dataTransfer?.types.includes('Files')) return
          event.preventDefault()
          setOver(type === 'dragover')
          act(event.dataTransfer)
        },
        { signal },
      )
    onFiles('dragover', () => undefined)
    onFiles('drop', (data) => void take(data))
    document.addEventListener('dragleave', (event) => event.relatedTarget === null && setOver(false), { signal })
    return () => listeners.abort()
  }, [session])
  if (!isOver) return null
  return (
    <div className="drop-words" aria-hidden="true">
      Drop a model's folder: config.json, model.safetensors, tokenizer.json
    </div>
  )
}
