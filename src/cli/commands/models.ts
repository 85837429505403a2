import { wrap } from '../../views/labels.ts'
import { bundledModels } from '../bundled.ts'
import { alignColumns } from '../columns.ts'
import { defineCommand, type Session } from '../command.ts'
import { jsonOption } from '../flags.ts'
import type { KnownModel } from '../known-models.ts'
import { faint } from '../terminal.ts'
import { formatBytes } from '../units.ts'

export const models = defineCommand<{ readonly json?: boolean }>({
  name: 'models',
  summary: 'Models at hand: those that ship, and those in the hub cache',
  options: [jsonOption],
  examples: ['models', 'models --json'],
  async run(_, flags, session) {
    const { cachedModels, describeFolder } = await import('../known-models.ts')
    const bundled: KnownModel[] = []
    for (const [name, folder] of bundledModels()) bundled.push(await describeFolder(name, folder))
    const { cacheDir, models: cached } = await cachedModels()
    if (flags.json) session.print(`${JSON.stringify({ bundled, cacheDir, cached })}\n`)
    else
      session.print(
        `${[...section('Shipped with Diopter', bundled, 'none yet; give --model a folder or a hub id', session), '', ...section(`In the hub cache, ${cacheDir}`, cached, 'none', session)].join('\n')}\n`,
      )
    return undefined
  },
})

function section(title: string, list: readonly KnownModel[], none: string, session: Session): string[] {
  if (list.length === 0) return wrap(`${title}: ${none}.`, session.text.width)
  const rows = list.map(({ name, bytes, architecture, supported }) => [
    name,
    formatBytes(bytes),
    architecture ?? '?',
    supported ? 'yes' : 'no',
  ])
  const problems = list
    .filter(({ supported }) => !supported)
    .map(({ name, problem }) => faint(`${name}: ${problem}`, session.text))
  return [
    `${title}:`,
    ...alignColumns([['model', 'size', 'architecture', 'supported'], ...rows], session.text),
    ...problems,
  ]
}
