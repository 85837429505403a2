import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { DiopterError } from '../../errors/index.ts'
import { type DecodedText, decodeText } from '../corpus/decode-text.ts'

/** A text file as it was read. */
export interface TextFile extends DecodedText {
  /** The file's name under the folder that was given, or its own name. */
  readonly name: string
  readonly bytes: number
  readonly sha256: string
}

/**
 * Reads text files: those given, and the `.txt` files directly in folders given (named `folder/file.txt`), sorted by name.
 * @throws DiopterError on a path that does not exist, a folder without such files, and two files of one name.
 */
export async function readTextFiles(paths: readonly string[]): Promise<TextFile[]> {
  const files: TextFile[] = []
  for (const path of paths) {
    const information = await stat(path).catch(() => undefined)
    if (!information) throw new DiopterError(`There is no file or folder ${path}.`)
    if (!information.isDirectory()) {
      files.push(await readTextFile(path, basename(path)))
      continue
    }
    const names = (await readdir(path)).filter((name) => name.endsWith('.txt')).sort()
    if (names.length === 0) throw new DiopterError(`The folder ${path} has no .txt file.`)
    for (const name of names) files.push(await readTextFile(join(path, name), `${basename(path)}/${name}`))
  }
  const names = new Set<string>()
  for (const { name } of files) {
    if (names.has(name))
      throw new DiopterError(`Two text files are named ${name}; a corpus names its documents by file.`)
    names.add(name)
  }
  return files
}

async function readTextFile(path: string, name: string): Promise<TextFile> {
  const bytes = await readFile(path)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return { name, bytes: bytes.length, sha256, ...decodeText(bytes) }
}
