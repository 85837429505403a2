import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Bytes that this process holds in memory once its garbage is collected, which otherwise hides or imitates a leak. */
export function heldBytes(): number {
  collectGarbage()
  return process.memoryUsage().rss
}
