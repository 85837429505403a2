// The process that the kill test kills: trains the tiny problem in a folder, going on where it stands.
// Arguments: folder, and what ends it by itself: `nothing`, or `sync <n>`: SIGKILL to itself inside the n-th flush of a file.
import { open } from 'node:fs/promises'
import { trainInFolder } from '../../src/train/node/train-in-folder.ts'
import { tinyConfig, tinyProblem } from '../../src/train/tiny-problem.fixture.ts'

const [folder, death, count] = process.argv.slice(2) as [string, string, string | undefined]

if (death === 'sync') {
  // Every atomic write flushes its temporary file before the rename, and the folder after it.
  const handle = await open('/dev/null', 'r')
  const prototype = Object.getPrototypeOf(handle) as { sync: () => Promise<void> }
  await handle.close()
  const sync = prototype.sync
  let left = Number(count)
  prototype.sync = function (this: unknown) {
    if (--left === 0) process.kill(process.pid, 'SIGKILL')
    return sync.call(this as never)
  }
}

await trainInFolder(folder, tinyConfig({ steps: 900, logEvery: 7, snapshots: { every: 100, perDecade: 3 } }), {
  problem: tinyProblem(2),
  resume: 'if-any',
  threads: 1,
  // so often that kills fall into it
  checkpointSeconds: death === 'sync' ? 0 : 0.2,
  onProgress: ({ done }) => process.stdout.write(`${done}\n`),
})
