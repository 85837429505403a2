import { defaultModel } from '../../hub/node/bundled.ts'
import type { KnownModel } from '../../lab/node/known-models.ts'
import { wrap } from '../../views/labels.ts'
import { alignColumns } from '../columns.ts'
import { defineCommand, type Session } from '../command.ts'
import { jsonOption } from '../flags.ts'
import type { ShippedModel } from '../model-cards.ts'
import { bold, faint } from '../terminal.ts'
import { formatBytes, formatCount } from '../units.ts'

export const models = defineCommand<{ readonly json?: boolean }>({
  name: 'models',
  summary: 'Models at hand: those that ship, and those in the hub cache',
  options: [jsonOption],
  examples: ['models', 'models --json'],
  async run(_, flags, session) {
    const { cachedModels } = await import('../../lab/node/known-models.ts')
    const { shippedModels } = await import('../model-cards.ts')
    const bundled = await shippedModels()
    const { cacheDir, models: cached } = await cachedModels()
    if (flags.json) session.print(`${JSON.stringify({ default: defaultModel() ?? null, bundled, cacheDir, cached })}\n`)
    else {
      const hub = section(`In the hub cache, ${cacheDir}`, cached, 'none', session)
      session.print(`${[...shippedSection(bundled, session), '', ...hub].join('\n')}\n`)
    }
    return undefined
  },
})

/** What ships, each with what it is good for. */
function shippedSection(list: readonly ShippedModel[], session: Session): string[] {
  const title = 'Shipped with Diopter'
  if (list.every(({ card }) => card === null))
    return section(title, list, 'none yet; give --model a folder or a hub id', session)
  const { text } = session
  return [
    `${title}:`,
    ...list.flatMap(({ name, bytes, card, problem }) => {
      const size = [card && `${formatCount(card.parameters)} parameters`, formatBytes(bytes)].filter(Boolean).join(', ')
      const note = name === defaultModel() ? '; the default' : ''
      const lines = card ? [`${card.title}. ${card.goodFor}`, ...measures(card.heldOut)] : []
      return [
        `${bold(name, text)} (${size}${note})`,
        ...[...lines, ...(problem ? [problem] : [])].flatMap((line) =>
          wrap(line, text.width - 2).map((part) => `  ${part}`),
        ),
      ]
    }),
  ]
}

function measures(heldOut: Readonly<Record<string, number>>): string[] {
  const items = Object.entries(heldOut).map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`)
  return items.length > 0 ? [`held out: ${items.join(', ')}`] : []
}

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
