import { Argument } from 'commander'
import type { MemoryEstimate } from '../../lab/index.ts'
import type { HookPoint, ModelDescription } from '../../models/index.ts'
import { wrap } from '../../views/labels.ts'
import { defineCommand, type Session } from '../command.ts'
import { UsageError } from '../errors.ts'
import { jsonOption, type ModelFlags, sourceOptions } from '../flags.ts'
import { modelReference, resolveFiles } from '../open-model.ts'
import { bold, faint } from '../terminal.ts'
import { formatBytes, formatCount } from '../units.ts'

export const info = defineCommand<ModelFlags & { readonly json?: boolean }>({
  name: 'info',
  summary: 'What a model is: config, hook points with shapes, parameters, memory',
  arguments: [new Argument('[model]', 'a folder, a hub id, or a bundled name')],
  options: [jsonOption, ...sourceOptions],
  details: 'Reads headers only: no weights are loaded.',
  examples: ['info ../shared/checkpoints/stories260K', 'info ../shared/reference/huggingface/gemma2 --json'],
  async run([given], flags, session) {
    if (given !== undefined && flags.model !== undefined && given !== flags.model)
      throw new UsageError(`Which model: ${given}, or --model ${flags.model}?`)
    const ref = modelReference({ model: given ?? flags.model })
    const { source, revision, origin } = await resolveFiles(ref, flags, session)
    const [{ openCheckpoint }, { describeModel }, { estimateMemory }, { loadTokenizer }] = await Promise.all([
      import('../../hub/checkpoint.ts'),
      import('../../models/describe.ts'),
      import('../../lab/open.ts'),
      import('../../tokenizer/tokenizer.ts'),
    ])
    const checkpoint = await openCheckpoint(source)
    const description = describeModel(checkpoint.config, checkpoint.entries)
    const tokenizer = checkpoint.hasTokenizer ? await loadTokenizer(source) : null
    const dtypes = [
      ...new Set(description.parameters.map(({ source: { tensor } }) => checkpoint.entries.get(tensor)!.dtype)),
    ]
    const facts = {
      model: ref,
      origin,
      revision,
      architecture: description.config.architecture,
      memory: estimateMemory(checkpoint),
      storedAs: dtypes,
      tokenizer: tokenizer && {
        vocabulary: tokenizer.vocabSize,
        startToken: tokenizer.encode('').startToken,
        bosId: tokenizer.bosId,
        eosId: tokenizer.eosId,
      },
    }
    session.print(
      flags.json
        ? `${JSON.stringify(asJson(facts, description))}\n`
        : `${asText(facts, description, session).join('\n')}\n`,
    )
    return undefined
  },
})

interface Facts {
  readonly model: string
  readonly revision: string | null
  readonly architecture: string
  readonly memory: MemoryEstimate
  readonly storedAs: readonly string[]
  readonly tokenizer: {
    readonly vocabulary: number
    readonly startToken: { readonly token: string | null; readonly source: string }
  } | null
}

function asJson(facts: Facts, { config, hookPoints, parameters }: ModelDescription): object {
  return {
    ...facts,
    config,
    parameters: facts.memory.parameters,
    weights: parameters.map(({ name, shape }) => ({ name, shape })),
    hookPoints: hookPoints.map(({ name, axes, sizes }) => ({
      name,
      axes,
      shape: sizes.map((size, i) => size ?? axes[i]!),
    })),
  }
}

function asText(facts: Facts, { config, hookPoints, parameters }: ModelDescription, { text }: Session): string[] {
  const { memory, tokenizer } = facts
  const heading = (title: string) => ['', bold(title, text)]
  const lines = [
    bold(`${facts.model}${facts.revision ? ` at ${facts.revision}` : ''}`, text),
    ...wrap(
      `${facts.architecture}: ${formatCount(memory.parameters)} parameters in ${parameters.length} weights, stored as ${facts.storedAs.join(' and ')}, ${formatBytes(memory.checkpointBytes)}`,
      text.width,
    ),
    ...wrap(
      `memory: ${formatBytes(memory.weightBytes)} of float32 weights, at most ${formatBytes(memory.peakLoadBytes)} while loading, ${formatBytes(memory.residentBytes)} with a resident session`,
      text.width,
    ),
    ...wrap(
      tokenizer
        ? `tokenizer: ${formatCount(tokenizer.vocabulary)} tokens, start token ${tokenizer.startToken.token ?? 'none'} (${tokenizer.startToken.source})`
        : 'tokenizer: none, so prompts are token ids such as [46,85,40]',
      text.width,
    ),
    ...heading('Config'),
    ...wrap(configItems(config).join(', '), text.width),
    ...heading(`Hook points (${hookPoints.length}; {l} is a layer, 0 to ${config.n_layers - 1})`),
    ...hookLines(hookPoints, config.n_layers, text.width),
  ]
  const hint = wrap('A name or a glob such as "blocks.*.hook_resid_post" is what capture and --edit take.', text.width)
  return [...lines, '', ...hint.map((line) => faint(line, text))]
}

/** What people look for first; the other fields follow. */
const FIRST = ['d_model', 'n_layers', 'n_heads', 'n_key_value_heads', 'd_head', 'd_mlp', 'n_ctx', 'd_vocab']

function configItems(config: ModelDescription['config']): string[] {
  const place = (key: string) => (FIRST.includes(key) ? FIRST.indexOf(key) : FIRST.length)
  const entries = Object.entries(config).filter(([key]) => key !== 'architecture')
  return entries.sort(([a], [b]) => place(a) - place(b)).map(([key, value]) => `${key} ${compact(value)}`)
}

/** A value in few characters: a per-layer list of equal entries is one of them. */
function compact(value: unknown): string {
  if (typeof value === 'number') return String(Number(value.toPrecision(6)))
  if (!Array.isArray(value))
    return value === null ? 'none' : typeof value === 'object' ? JSON.stringify(value) : String(value)
  const items = value.map(compact)
  return new Set(items).size === 1 ? `${items[0]} (all layers)` : `[${items.join(' ')}]`
}

/** Hooks that every block has stand once, with `{l}` for the layer. */
function hookLines(hooks: readonly HookPoint[], layers: number, width: number): string[] {
  const rows = new Map<string, { count: number; shape: string }>()
  for (const { name, axes, sizes } of hooks) {
    const general = name.replace(/^blocks\.\d+\./, 'blocks.{l}.')
    const parts = axes.map((axis, i) => (sizes[i] === null || axis === '1' ? axis : `${axis} ${sizes[i]}`))
    rows.set(general, { count: (rows.get(general)?.count ?? 0) + 1, shape: `[${parts.join(', ')}]` })
  }
  const widest = Math.max(...[...rows.keys()].map((name) => name.length))
  const beside = [...rows.values()].every(({ shape }) => widest + 2 + shape.length <= width)
  return [...rows].flatMap(([name, { count, shape }]) => {
    const some = name.includes('{l}') && count < layers ? ` in ${count} of ${layers} layers` : ''
    return beside ? [`${name.padEnd(widest)}  ${shape}${some}`] : [name, `  ${shape}${some}`]
  })
}
