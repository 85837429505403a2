import { DiopterError } from '../../errors/index.ts'

/** A file of a folder that a person dropped or picked, with its path inside the folder. */
export interface FolderFile {
  readonly path: string
  readonly file: File
}

/** A folder with the files that a model may need. */
export interface DroppedFolder {
  readonly name: string
  readonly files: readonly FolderFile[]
}

/** What a spec's `model.ref` says for a dropped folder: only the page that it was dropped on knows it. */
export const DROPPED = 'dropped:'

/** The folder that a person picked with `<input type="file" webkitdirectory>`, or the files with `multiple`. @throws DiopterError when there are none. */
export function pickedFolder(list: Iterable<File>): DroppedFolder {
  const files = [...list].map((file) => {
    const [folder, ...path] = file.webkitRelativePath.split('/')
    return path.length > 0 ? { folder: folder!, path: path.join('/'), file } : { folder: '', path: file.name, file }
  })
  return folderOf(files[0]?.folder, files)
}

/**
 * The folder (or loose files) that a person dropped. Must be called before the event's handler returns: later the browser has forgotten.
 * @throws DiopterError when nothing with files was dropped, or several folders.
 */
export async function droppedFolder(data: DataTransfer): Promise<DroppedFolder> {
  const entries = [...data.items].flatMap((item) => item.webkitGetAsEntry() ?? [])
  // Files that come from no disk (a mail's attachment) are no entries.
  if (entries.length === 0) return pickedFolder(data.files)
  const folders = entries.filter(isFolder)
  if (folders.length > 1)
    throw new DiopterError(
      `${folders.length} folders were dropped (${folders.map(({ name }) => name).join(', ')}). Drop the folder of one model.`,
    )
  const [folder] = folders
  if (folder) return folderOf(folder.name, await filesUnder(folder, '', 1))
  return folderOf(undefined, await Promise.all(entries.map(async (entry) => fileOf(entry as FileSystemFileEntry, ''))))
}

function folderOf(name: string | undefined, files: readonly FolderFile[]): DroppedFolder {
  if (files.length === 0)
    throw new DiopterError(
      'There were no files. Drop a folder with config.json, model.safetensors and tokenizer.json, or these files.',
    )
  return { name: name || 'files', files: files.map(({ path, file }) => ({ path, file })) }
}

const isFolder = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory

/** Files of a folder and of `depth` levels of folders below it, which is where shards and tokenizers lie. */
async function filesUnder(folder: FileSystemDirectoryEntry, prefix: string, depth: number): Promise<FolderFile[]> {
  const files: FolderFile[] = []
  const reader = folder.createReader()
  for (;;) {
    // A browser gives a part of the entries at a time, and none at the end.
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject))
    if (entries.length === 0) return files
    for (const entry of entries) {
      if (!isFolder(entry)) files.push(await fileOf(entry as FileSystemFileEntry, prefix))
      else if (depth > 0) files.push(...(await filesUnder(entry, `${prefix}${entry.name}/`, depth - 1)))
    }
  }
}

async function fileOf(entry: FileSystemFileEntry, prefix: string): Promise<FolderFile> {
  const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject))
  return { path: `${prefix}${entry.name}`, file }
}
