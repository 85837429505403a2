import { afterAll, describe, expect, it } from 'vitest'
import { openToy, toyForms } from '../../../test/support/toy-model.ts'
import type { Nested, PatchValues, PredictionValues } from '../../methods/index.ts'
import { type Place, placeAt } from '../../views/index.ts'
import {
  type LabelledSpec,
  parseSpec,
  type RunResult,
  type RunSpecInput,
  runSpec,
  runsAtOf,
  viewsOf,
} from '../index.ts'
import { PAIR, toySpec } from '../toy-specs.fixture.ts'

const QUESTION = { prompt: [1, 4, 2, 5, 3], answer: 0, wrong: 2 }

describe('the runs behind a place', () => {
  // Attention that does something: in a small random model patterns hardly matter.
  const change = (name: string, data: Float32Array) => (/W_[QKO]$/.test(name) ? data.map((x) => 4 * x) : data)
  const opened = openToy(toyForms['one after the other']!, { change })
  const openModel = () => opened
  afterAll(async () => (await opened).dispose())

  const run = (spec: RunSpecInput) => runSpec(spec, { openModel })

  /** The logit difference that a prediction ends with: tokens' log-probabilities differ as their logits do. */
  async function difference({ spec }: LabelledSpec, answer = 0, wrong = 2): Promise<number> {
    const vocabulary = (await opened).config.d_vocab_out
    const { values } = await run(parseSpec({ ...spec, parameters: { topK: vocabulary } }))
    const { top } = (values as unknown as PredictionValues).prompts[0]!.expectations.at(-1)!
    const logProbability = (token: number) => Math.log(top.find(({ id }) => id === token)!.probability)
    return logProbability(answer) - logProbability(wrong)
  }

  const at = (values: Nested, ...path: number[]): number =>
    path.reduce<unknown>((inner, i) => (inner as Nested)[i], values) as number

  /** Some marks of a result's first picture, with their places. */
  function marks(result: RunResult): { row: number; column: number; place: Place }[] {
    const [picture] = viewsOf(result)
    if (picture?.view !== 'heatMap') throw new Error('this sweep is a heat map')
    const { rowLabels, columnLabels } = picture.props
    return [
      [0, 0],
      [1, 1],
      [rowLabels.length - 1, columnLabels.length - 1],
    ].map(([row, column]) => ({ row: row!, column: column!, place: placeAt(picture.places, row!, column!) }))
  }

  const other = { ...PAIR, clean: [1, 4, 2, 0, 3], corrupt: [1, 6, 2, 0, 3] }
  it.each<[string, RunSpecInput]>([
    ['by position', toySpec('patch', [PAIR], { what: 'resid_pre' })],
    ['some positions', toySpec('patch', [PAIR], { what: 'mlp_out', positions: [1, -1] })],
    ['by head', toySpec('patch', [PAIR], { what: 'z' })],
    ['by head, at some positions together', toySpec('patch', [PAIR], { what: 'q', positions: [1, -1] })],
    ['patterns', toySpec('patch', [PAIR], { what: 'pattern' })],
    ['the other way first', toySpec('patch', [PAIR], { what: 'resid_mid', direction: 'corrupted_into_clean' })],
  ])('patching, %s: the runs have the values of the cell', async (_, spec) => {
    const result = await run(spec)
    const values = result.values as unknown as PatchValues
    // Cells that change nothing would agree with anything.
    const patchedCells = (values.values as readonly (readonly number[])[]).flat()
    expect(Math.max(...patchedCells) - Math.min(...patchedCells)).toBeGreaterThan(0.002)
    for (const { row, column, place } of marks(result)) {
      // A selection that another picture made says more.
      const runs = runsAtOf(result, { key: 0, neuron: 3, ...place })
      expect(runs).toHaveLength(4)
      const [clean, corrupt, patched, reverse] = await Promise.all(runs.map((one) => difference(one)))
      expect(clean).toBeCloseTo(values.clean, 4)
      expect(corrupt).toBeCloseTo(values.corrupt, 4)
      expect(patched).toBeCloseTo(at(values.values, row, column), 4)
      expect(reverse).toBeCloseTo(at(values.reverse!.values, row, column), 4)
    }
  })

  it('heads at positions, and a pair that is not the first', async () => {
    const result = await run(toySpec('patch', [PAIR, other], { what: 'z', by: 'head_position' }))
    const { pairs } = result.values as unknown as PatchValues
    const runs = runsAtOf(result, { prompt: 1, layer: 1, head: 1, position: 1 })
    expect(runs.map(({ label }) => label)).toEqual([
      'clean',
      'corrupted',
      'corrupted, with the clean z of L1H1, "4"',
      'clean, with the corrupted z of L1H1, "4"',
    ])
    expect(await difference(runs[2]!)).toBeCloseTo(at(pairs[1]!.values, 1, 1, 1), 4)
  })

  it('estimates: the run that was estimated', async () => {
    const result = await run(toySpec('attribution_patch', [PAIR], { what: 'z' }))
    const exact = await run(toySpec('patch', [PAIR], { what: 'z' }))
    const place = { layer: 0, head: 1 }
    const runs = runsAtOf(result, place)
    expect(runs).toEqual(runsAtOf(exact, place).slice(0, 3))
  })

  it('what is no cell has no runs, and what cannot be written as an edit has no patched one', async () => {
    const result = await run(toySpec('patch', [PAIR], { what: 'resid_pre', layers: [1] }))
    for (const place of [{ layer: 0, position: 1 }, { layer: 1 }, { layer: 1, position: 9 }, { prompt: 3, layer: 1 }])
      expect(runsAtOf(result, place)).toEqual([])
    const unequal = await run(toySpec('patch', [{ ...PAIR, clean: [1, 4, 0, 2, 5, 3] }], { what: 'resid_pre' }))
    expect(runsAtOf(unequal, { layer: 1, position: 1 }).map(({ label }) => label)).toEqual(['clean', 'corrupted'])
    const edits: RunSpecInput['edits'] = [{ hook: 'blocks.0.hook_attn_out', kind: 'scale', factor: 0.5 }]
    const edited = await run(toySpec('patch', [PAIR], { what: 'resid_pre' }, { edits }))
    const [clean, corrupt, ...more] = runsAtOf(edited, { layer: 1, position: 1 })
    expect(more).toEqual([])
    expect(await difference(clean!)).toBeCloseTo((edited.values as unknown as PatchValues).clean, 4)
    expect(await difference(corrupt!)).toBeCloseTo((edited.values as unknown as PatchValues).corrupt, 4)
  })

  it.each<[string, Record<string, unknown>, Place, number[]]>([
    ['heads by zero', { what: 'head', kind: 'zero' }, { layer: 1, head: 0 }, [1, 0]],
    ['heads by their mean', { what: 'head' }, { layer: 0, head: 1, position: 2 }, [0, 1]],
    ['heads by another prompt', { kind: 'resample' }, { layer: 0, head: 1 }, [0, 1]],
    ['MLPs by the mean of others', { what: 'mlp', reference: [[3, 2, 1], [4]] }, { layer: 1 }, [1]],
    ['MLPs by a longer one', { what: 'mlp', kind: 'resample', reference: [[3, 2, 1, 6, 0, 4]] }, { layer: 1 }, [1]],
    ['neurons at a position', { what: 'neuron', kind: 'zero', positions: [-1] }, { layer: 0, neuron: 3 }, [0, 3]],
  ])('ablation of %s', async (_, parameters, place, path) => {
    for (const prompts of [[QUESTION], [QUESTION.prompt]]) {
      const result = await run(toySpec('ablate', prompts, parameters))
      const { base, values, metric } = result.values as { base: number; values: Nested; metric: string }
      const [whole, ...without] = runsAtOf(result, place)
      // One run per draw, whose mean is the value.
      expect(without).toHaveLength(parameters.kind === 'resample' ? (parameters.reference ? 1 : 3) : 1)
      const meanOf = async (measure: (run: LabelledSpec) => Promise<number>) =>
        (await Promise.all(without.map(measure))).reduce((a, b) => a + b, 0) / without.length
      if (metric === 'logit_difference') {
        expect(await difference(whole!)).toBeCloseTo(base, 4)
        expect(await meanOf((one) => difference(one))).toBeCloseTo(at(values, ...path), 4)
      } else {
        const loss = async ({ spec }: LabelledSpec) =>
          ((await run(spec)).values as unknown as PredictionValues).prompts[0]!.meanLoss!
        expect(await loss(whole!)).toBeCloseTo(base, 4)
        expect(await meanOf(loss)).toBeCloseTo(at(values, ...path), 4)
      }
    }
  })

  it('direct attribution: the model without the part, as its check runs it', async () => {
    const result = await run(toySpec('attribute', [QUESTION], { by: 'full' }))
    const check = result.checks.find(({ name }) => name === 'direct effects are total effects')!
    // Such as `L1H0: 0.123 against 0.234; ...`: attributions against total effects of the top parts.
    for (const part of String(check.measured).split('; ')) {
      const [, label, effect] = /^(\S+): \S+ against (\S+)$/.exec(part)!
      const [, layer, head] = /^L(\d)H(\d)$/.exec(label!) ?? /^(\d)_/.exec(label!) ?? []
      if (layer === undefined) continue
      const runs = runsAtOf(result, { layer: Number(layer), ...(head === undefined ? {} : { head: Number(head) }) })
      expect(runs.map((one) => one.label)).toEqual(['whole', `without ${label}`])
      const [whole, without] = await Promise.all(runs.map((one) => difference(one)))
      expect(whole! - without!).toBeCloseTo(Number(effect), 2)
    }
    const byComponent = await run(toySpec('attribute', [QUESTION], {}))
    expect(runsAtOf(byComponent, { layer: 1 }).map((one) => one.label)).toEqual([
      'whole',
      'without 1_attn_out',
      'without 1_mlp_out',
    ])
    expect(runsAtOf(byComponent, { layer: 1, head: 0 })).toEqual([])
    expect(runsAtOf(await run(toySpec('lens', [[1, 2]])), { layer: 1 })).toEqual([])
  })
})
