import { realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { HttpError } from './http-error.ts'

/** The parts of a URL's path, decoded. Throws for paths that climb, hide, or are written to be read in two ways. */
export function pathParts(url: string): string[] {
  if (!url.startsWith('/')) throw new HttpError(400, 'The request names no path.')
  const path = url.split(/[?#]/, 1)[0]!
  return path
    .slice(1)
    .split('/')
    .map((part) => {
      try {
        return decodeURIComponent(part)
      } catch {
        throw new HttpError(400, 'The path is not a valid address.')
      }
    })
}

/**
 * The real path of a file below a folder. Throws, as if it did not exist, when a part climbs out of the folder, is hidden
 * (begins with a dot), or a symbolic link leads to a place that is in none of `roots` (the folder itself unless given).
 */
export async function fileBelow(
  folder: string,
  parts: readonly string[],
  roots: readonly string[] = [folder],
): Promise<string> {
  const missing = new HttpError(404, 'There is no such file.')
  if (parts.length === 0 || parts.some((part) => part === '' || part.startsWith('.') || /[/\\:\0]/.test(part)))
    throw missing
  const real = await realpath(join(folder, ...parts)).catch(() => undefined)
  if (real === undefined) throw missing
  for (const root of roots) {
    const realRoot = await realpath(root).catch(() => undefined)
    if (realRoot !== undefined && real.startsWith(realRoot + sep)) return real
  }
  throw missing
}
