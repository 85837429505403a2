import { DiopterError } from '../../errors/index.ts'
import { checkRange, type FileSource, missingFile } from '../source.ts'

/** A source over named blobs, which browsers read by range without loading them. */
export function blobSource(
  blobs: ReadonlyMap<string, Blob>,
  description: string,
  revision: string | null = null,
): FileSource {
  const blobOf = (path: string): Blob => {
    const blob = blobs.get(path)
    if (!blob) throw missingFile(source, path)
    return blob
  }
  const source: FileSource = {
    description,
    revision,
    files: [...blobs.keys()],
    size: (path) => blobOf(path).size,
    async readRange(path, begin, end) {
      const blob = blobOf(path)
      checkRange(source, path, begin, end, blob.size)
      return new Uint8Array(await blob.slice(begin, end).arrayBuffer())
    },
    readText: (path) => blobOf(path).text(),
  }
  return source
}

/**
 * Opens files that a person chose or dropped, as a list of files or a whole folder (whose own name is left out of the paths).
 * @throws DiopterError when there are none, or two have one name.
 */
export function openFiles(files: Iterable<File>, description = 'chosen files'): FileSource {
  const blobs = new Map<string, Blob>()
  for (const file of files) {
    const path = file.webkitRelativePath ? file.webkitRelativePath.split('/').slice(1).join('/') : file.name
    if (blobs.has(path)) throw new DiopterError(`Two of the files are named ${path}. Choose one model's folder.`)
    blobs.set(path, file)
  }
  if (blobs.size === 0)
    throw new DiopterError('No files were chosen. Choose config.json, model.safetensors and tokenizer.json.')
  return blobSource(blobs, description)
}
