import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { InvalidArgumentError, Option } from 'commander'
import { packageFolder } from '../../hub/node/bundled.ts'
import { defineCommand } from '../command.ts'
import { repeatable, wholeNumber } from '../flags.ts'

interface Flags {
  readonly port?: number
  readonly open: boolean
  readonly folder?: readonly string[]
}

export const workbench = defineCommand<Flags>({
  name: 'workbench',
  summary: 'Open the workbench: a page where a model is read, cut and steered',
  options: [
    new Option('--port <n>', 'the port on 127.0.0.1 (default: the first free one from 4120 on)').argParser(portNumber),
    new Option('--no-open', 'print the address, and open no browser'),
    repeatable('--folder <path>', 'offer the model in this folder, or those in the folders directly in it'),
  ],
  details:
    'The page and its engine are for this machine and this launch only: the printed address holds a token. The page can be given shipped models, those of the folders, those of the hub, and no other files. Ctrl-C ends it.',
  examples: ['workbench', 'workbench --folder ../shared/checkpoints/stories260K --port 4300 --no-open'],
  async run(_, flags, session) {
    const { startWorkbenchServer } = await import('../../workbench/node/server.ts')
    const { shippedPlaces } = await import('../shipped-places.ts')
    const server = await startWorkbenchServer({
      port: flags.port,
      page: join(packageFolder(), 'dist', 'workbench'),
      shipped: await shippedPlaces(),
      folders: flags.folder,
    })
    try {
      session.print(`Workbench: ${server.address}\n`)
      if (flags.open) openBrowser(server.address, session.note)
      await ended(session.signal)
    } finally {
      await server.close()
    }
    return undefined
  },
})

function portNumber(text: string): number {
  const port = wholeNumber(0)(text)
  if (port > 65535) throw new InvalidArgumentError('A port is at most 65535.')
  return port
}

/** Resolves when Ctrl-C is pressed, or the process is told to end. */
function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
    for (const name of ['SIGTERM', 'SIGHUP'] as const) process.once(name, () => resolve())
  })
}

function openBrowser(address: string, note: (line: string) => void): void {
  const [command, ...args] = { darwin: ['open'], win32: ['cmd', '/c', 'start', ''] }[process.platform as string] ?? [
    'xdg-open',
  ]
  const child = spawn(command!, [...args, address], { stdio: 'ignore', detached: true })
  child.on('error', () => note('No browser could be opened; open the address above in one.'))
  child.unref()
}
