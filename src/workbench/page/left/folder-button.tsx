import { useRef } from 'react'
import { pickedFolder } from '../../browser/dropped-folder.ts'
import { addFolder } from '../state/local-folders.ts'
import { say, useSession } from '../state/session.ts'
import { Button } from '../ui/button.tsx'

/** Opens a folder of this computer; its files are read here and go nowhere. */
export function FolderButton({ onAdded }: { readonly onAdded: (ref: string) => void }) {
  const session = useSession()
  const input = useRef<HTMLInputElement>(null)
  const add = async (files: FileList | null) => {
    if (!files || files.length === 0) return
    try {
      onAdded(await addFolder(session, pickedFolder(files)))
    } catch (error) {
      say(session, error instanceof Error ? error.message : String(error), true)
    }
  }
  return (
    <div className="field">
      <span className="field-label">From this computer</span>
      <Button icon="folder" onClick={() => input.current?.click()}>
        Choose a folder
      </Button>
      <input
        ref={input}
        type="file"
        hidden
        aria-label="Folder of a model"
        // React passes the attribute on as it is.
        {...{ webkitdirectory: '' }}
        onChange={(event) => void add(event.target.files)}
      />
      <span className="field-note">
        Or drop one on the page: config.json, model.safetensors, tokenizer.json. It is read here and never uploaded.
      </span>
    </div>
  )
}
