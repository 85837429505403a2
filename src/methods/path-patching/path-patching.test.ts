import { afterAll, describe, expect, it } from 'vitest'
import { openToy, toyForms } from '../../../test/support/toy-model.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { type Edit, logitDifference, type Model, openCompiled } from '../../lab/index.ts'
import {
  type CompiledModel,
  type CompiledPair,
  compiledFamilies,
  compileModel,
  edgeName,
  MATTERS_FROM,
  trueEdges,
} from '../../models/compiled/index.ts'
import { edgeRuns, receiverInputs } from '../edge-attribution/edge-inputs.ts'
import { allReceivers, allSenders } from '../edge-attribution/edge-parts.ts'
import { preparePair } from '../patching/prompt-pair.ts'
import type { Check } from '../shared/checks.ts'
import { Meter } from '../shared/result.ts'
import { type PathPatchValues, pathPatching } from './path-patching.ts'

const backend = createNodeBackend({ threads: 1 })
afterAll(() => backend.dispose())

const ALL = { receivers: ['all'] } as const
const PAIR = { clean: [1, 4, 2, 5, 3], corrupt: [1, 6, 2, 0, 3], answer: 0, wrong: 2 }

async function opened<T>(compiled: CompiledModel, use: (model: Model) => Promise<T>): Promise<T> {
  const model = await openCompiled(compiled, backend)
  try {
    return await use(model)
  } finally {
    await model.dispose()
  }
}

/** One pair of every kind, with its number. */
function pairsByChange({ pairs }: CompiledModel): [number, CompiledPair][] {
  const first = new Map<string, [number, CompiledPair]>()
  pairs.forEach((pair, i) => {
    if (!first.has(pair.changes)) first.set(pair.changes, [i, pair])
  })
  return [...first.values()]
}

/** Shares by edge, under the names that truths have. */
function sharesByEdge({ senders, receivers, shares }: Pick<PathPatchValues, 'senders' | 'receivers' | 'shares'>) {
  const named = (receiver: string) => (receiver.includes('.') ? receiver : `${receiver}.in`)
  return new Map(
    senders.flatMap((sender, s) =>
      receivers.flatMap((receiver, r) => {
        const share = (shares[s] as (number | null)[])[r]!
        return share === null ? [] : [[`${sender}->${named(receiver)}` as string, share] as const]
      }),
    ),
  )
}

describe('path patching of compiled models', () => {
  const cases = compiledFamilies.flatMap(({ name }) => [1, 2, 3].map((seed) => [name, seed] as const))

  it.each(cases)('%s, seed %i: every edge, in both directions, is what the truth says to 1e-3', async (name, seed) => {
    const compiled = compileModel(name, { seed })
    const truth = trueEdges(compiled)
    await opened(compiled, async (model) => {
      for (const [p, pair] of pairsByChange(compiled)) {
        const { values, checks } = await pathPatching(model, [pair], ALL)
        const [restored, destroyed] = [sharesByEdge(values), sharesByEdge({ ...values, ...values.reverse! })]
        expect([...restored.keys()].sort()).toEqual(truth.map(({ edge }) => edgeName(edge)).sort())
        let worst = 0
        for (const { edge, noising, denoising } of truth) {
          const own = edgeName(edge)
          worst = Math.max(
            worst,
            Math.abs(restored.get(own)! - denoising[p]!),
            Math.abs(destroyed.get(own)! - noising[p]!),
          )
        }
        expect(worst).toBeLessThan(1e-3)
        expect(checks.find(({ name }) => name.startsWith('the largest edge'))!.verdict).toBe('holds')
      }
    })
  })

  it.each([
    ['and-gate', 1],
    ['or-gate', 2],
  ])(
    '%s: the edges into the gate do not add up, and that is said; its sound neighbour is silent',
    async (name, seed) => {
      const [misleading, sound] = await Promise.all(
        [1, 0].map((mislead) => {
          const compiled = compileModel(name, { seed, mislead })
          return opened(compiled, (model) => pathPatching(model, compiled.pairs.slice(0, 1), ALL))
        }),
      )
      const verdict = (checks: readonly Check[]) => checks.find(({ name }) => /add up/.test(name))!.verdict
      expect(misleading && verdict(misleading.checks)).toBe('fails')
      expect(verdict(sound!.checks)).toBe('holds')
    },
  )

  it('claims of edges that matter, over all pairs, are the true ones', async () => {
    for (const seed of [4, 5, 6]) {
      const compiled = compileModel('induction', { seed })
      await opened(compiled, async (model) => {
        const found = new Set<string>()
        for (const pair of compiled.pairs) {
          const { values } = await pathPatching(model, [pair], ALL)
          for (const way of [values, { ...values, ...values.reverse! }])
            for (const [edge, share] of sharesByEdge(way)) if (Math.abs(share) >= MATTERS_FROM) found.add(edge)
        }
        expect([...found].sort()).toEqual(compiled.truth.edges.map(edgeName).sort())
      })
    }
  })
})

describe.each(Object.entries(toyForms))('path patching of a toy: %s', (_, config) => {
  const models: Model[] = []
  const open = async () => {
    const model = await openToy(config, { backend })
    models.push(model)
    return model
  }
  const metric = logitDifference(PAIR.answer, PAIR.wrong)

  it('all senders together give every receiver what it reads in the source run', async () => {
    const model = await open()
    const [senders, receivers] = [allSenders(model.config), allReceivers(model.config)]
    const meter = new Meter(model)
    const pair = preparePair(model, PAIR, undefined, undefined)
    const runs = await edgeRuns(model, pair, 'clean_into_corrupted', receivers, {}, meter)
    const { reads, metric } = await receiverInputs(model, runs, [{ senders }], receivers, [], {}, meter)
    expect(metric[0]).toBeCloseTo(runs.sourceMetric, 4)
    expect(runs.sourceMetric).not.toBeCloseTo(runs.targetMetric, 3)
    let worst = 0
    for (const [hook, [read]] of reads)
      read!.data.forEach((x, i) => {
        worst = Math.max(worst, Math.abs(Number(x) - Number(runs.source.get(hook)!.data[i])))
      })
    expect(worst).toBeLessThan(1e-4)
  })

  it('with everything else as mediators, the path to the logits is the sender patched alone', async () => {
    const model = await open()
    const mediators = config.attn_only ? ['heads'] : ['heads', 'mlps']
    const { values, checks } = await pathPatching(model, [PAIR], { mediators })
    const heads = Array.from({ length: config.n_heads }, (_, head) => head)
    const patches = [0, 1].flatMap((layer): Edit[][] => [
      ...heads.map((head): Edit[] => [
        { hook: `blocks.${layer}.attn.hook_z`, heads: [head], kind: 'resample', from: PAIR.clean },
      ]),
      ...(config.attn_only
        ? []
        : [[{ hook: `blocks.${layer}.hook_mlp_out`, kind: 'resample', from: PAIR.clean } as const]]),
    ])
    const { base, values: patched } = await model.variants(PAIR.corrupt, patches, metric)
    values.senders.slice(1).forEach((_, i) => {
      expect((values.effects[i + 1] as number[])[0]).toBeCloseTo(patched[i]! - base, 4)
    })
    expect(checks.find(({ name }) => /add up/.test(name))!.verdict).toBe('not tested')
    expect(checks.find(({ name }) => /runs of its own/.test(name))!.verdict).toBe('holds')
  })

  it('edges are those of separate runs: with edits, by position, together, and for prompts of unequal length', async () => {
    const model = await open()
    const edits: Edit[] = [{ hook: 'blocks.0.attn.hook_z', kind: 'scale', factor: 0.5, heads: [1] }]
    const unequal = { ...PAIR, clean: [1, 4, 0, 2, 5, 3] }
    for (const [pair, options] of [
      [PAIR, { edits, receivers: ['all'] }],
      [PAIR, { receivers: ['heads'], byPosition: true, positions: [1, -1] }],
      [PAIR, { receivers: ['v'], senders: ['L0H0', 'embed'], together: true }],
      [unequal, { receivers: ['q', 'logits'] }],
    ] as const) {
      const { values, checks, complete } = await pathPatching(model, [pair], options)
      expect(complete).toBe(true)
      expect(checks.find(({ name }) => /runs of its own/.test(name))).toMatchObject({ verdict: 'holds' })
      expect(Math.abs(values.separate!.separately)).toBeGreaterThan(1e-4)
    }
  })

  afterAll(() => Promise.all(models.map((model) => model.dispose())))
})

describe('path patching', () => {
  it('refuses names that there are not, and edges that cannot be', async () => {
    const model = await openToy(toyForms['one after the other']!, { backend })
    for (const [options, message] of [
      [{ senders: ['L0H9'] }, /no sender 'L0H9'. Near: L0H/],
      [{ receivers: ['L1'] }, /no receiver 'L1'.*groups: all, heads, q, k, v, mlps/],
      [{ senders: ['L1MLP'], receivers: ['L0H0.q'] }, /None of the senders/],
      [{ receivers: ['all'], together: true }, /logits cannot be patched together/],
      [{ mediators: ['embed'] }, /mediates nothing/],
      [{ positions: [9] }, /Position 9/],
    ] as const)
      await expect(pathPatching(model, [PAIR], options)).rejects.toThrow(message)
    await model.dispose()
  })

  it('means over pairs have intervals; a cancelled run keeps what it had', async () => {
    const model = await openToy(toyForms['one after the other']!, { backend })
    const pairs = [PAIR, { ...PAIR, clean: [1, 4, 2, 6, 3], corrupt: [1, 6, 2, 6, 3] }]
    const { values } = await pathPatching(model, pairs, ALL)
    const [first, second] = values.pairs.map(({ effects }) => (effects[0] as number[]).at(-1)!)
    expect((values.effects[0] as number[]).at(-1)).toBeCloseTo((first! + second!) / 2, 5)
    expect((values.low![0] as number[]).at(-1)).toBeCloseTo(Math.min(first!, second!), 5)
    const controller = new AbortController()
    let seen: object | undefined
    const cancelled = await pathPatching(model, [PAIR], {
      ...ALL,
      signal: controller.signal,
      onPartial({ values }) {
        seen = values
        controller.abort()
      },
    })
    expect(cancelled.complete).toBe(false)
    expect(cancelled.values).toEqual(seen)
    await model.dispose()
  })
})
