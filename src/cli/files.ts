import { constants } from 'node:fs'
import { access, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { text } from 'node:stream/consumers'
import { DiopterError } from '../errors/index.ts'
import { systemSentence, UsageError } from './errors.ts'

/** A text file. Throws a usage error when it cannot be read. */
export async function readTextFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new UsageError(`Cannot read ${systemSentence(error as NodeJS.ErrnoException, path)}`)
  }
}

/** A JSON file. Throws a usage error when it cannot be read or is not JSON. */
export async function readJsonFile(path: string): Promise<unknown> {
  return parseJson(await readTextFile(path), path)
}

/** JSON that is typed itself (an object), comes from stdin (`-`), or lies in a file. Throws as `readJsonFile` does. */
export async function readJsonArgument(given: string): Promise<unknown> {
  if (given.trimStart().startsWith('{')) return parseJson(given, 'What was given')
  return given === '-' ? parseJson(await text(process.stdin), 'What came from stdin') : readJsonFile(given)
}

function parseJson(json: string, what: string): unknown {
  try {
    return JSON.parse(json)
  } catch (error) {
    throw new UsageError(`${what} is not JSON: ${(error as Error).message}.`)
  }
}

/** One JSON value per line; empty lines are skipped. Throws a usage error that names the line. */
export async function readJsonLines(path: string): Promise<unknown[]> {
  const lines = (await readTextFile(path)).split('\n')
  const values = lines.flatMap((line, i) => {
    if (line.trim() === '') return []
    try {
      return [JSON.parse(line) as unknown]
    } catch (error) {
      throw new UsageError(`${path}, line ${i + 1} is not JSON: ${(error as Error).message}.`)
    }
  })
  if (values.length === 0) throw new UsageError(`${path} holds no lines.`)
  return values
}

/** Throws a usage error now, rather than after the work, when a file could not be written. */
export async function checkWritable(path: string): Promise<void> {
  const existing = await stat(path).catch(() => undefined)
  if (existing?.isDirectory()) throw new UsageError(`Cannot write ${path}: it is a folder.`)
  try {
    await access(existing ? path : dirname(path), constants.W_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const reason =
      code === 'ENOENT'
        ? `there is no folder ${dirname(path)}`
        : code === 'ENOTDIR'
          ? `${dirname(path)} is not a folder`
          : 'permission denied'
    throw new UsageError(`Cannot write ${path}: ${reason}.`)
  }
}

/** Writes a file. Throws when it cannot be written. */
export async function writeFileOrFail(path: string, content: string): Promise<void> {
  try {
    await writeFile(path, content)
  } catch (error) {
    throw new DiopterError(`Cannot write ${systemSentence(error as NodeJS.ErrnoException, path)}`)
  }
}
