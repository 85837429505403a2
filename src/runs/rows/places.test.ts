import { afterAll, describe, expect, it } from 'vitest'
import { openToy, toyForms } from '../../../test/support/toy-model.ts'
import type { Model } from '../../lab/index.ts'
import { isAt, placeAt, renderText, type ViewSpec, viewTable } from '../../views/index.ts'
import { runSpec, runsAtOf, viewsOf } from '../index.ts'
import { PAIR, TOY_SPECS, toySpec } from '../toy-specs.fixture.ts'
import { patchedPlaces, placeOfLabel } from './places.ts'

/** Rows and columns of a picture's marks; what labels them where labels say what it is. */
function marksOf({ view, props }: ViewSpec): { rows: readonly string[]; columns: readonly string[] } {
  switch (view) {
    case 'heatMap':
      return { rows: props.rowLabels, columns: props.columnLabels }
    case 'barList':
      return { rows: props.bars.map(({ label }) => label), columns: [] }
    case 'circuitGraph':
      return {
        rows: [...props.nodes, ...props.links.map(({ from }) => props.nodes[from]!)].map(({ name }) => name),
        columns: [],
      }
    case 'lensGrid':
      return { rows: props.layerLabels.map((label) => `layer ${label}`), columns: props.tokens }
    case 'tokenStrip':
      return { rows: [], columns: props.tokens }
    case 'attention':
      return { rows: props.queryTokens, columns: props.keyTokens }
    case 'attentionHeads': {
      const heads = viewTable(view, props).rows
      const distinct = (column: number) => [...new Set(heads.map((row) => row[column]))]
      return {
        rows: distinct(0).map((layer) => `layer ${layer}`),
        columns: distinct(1).map((head) => `H${head}`),
      }
    }
    default:
      throw new Error(`a method's picture is a ${view}`)
  }
}

/** What a label says. */
function named(label: string): object {
  const layer = /^layer (\d+)$/.exec(label)
  const head = /^H(\d+)$/.exec(label)
  const part = /(?:^|\s)L(\d+)([HN])(\d+)$/.exec(label)
  const within = /^(\d+)_/.exec(label)
  if (layer) return { layer: Number(layer[1]) }
  if (head) return { head: Number(head[1]) }
  if (part) return { layer: Number(part[1]), [part[2] === 'H' ? 'head' : 'neuron']: Number(part[3]) }
  return within ? { layer: Number(within[1]) } : {}
}

describe('places of pictures', () => {
  const models: Model[] = []
  const openModel = async () => {
    const model = await openToy(toyForms['one after the other']!)
    models.push(model)
    return model
  }
  afterAll(() => Promise.all(models.map((model) => model.dispose())))

  it.each(TOY_SPECS.map((spec, i) => [`${i} ${spec.method} ${JSON.stringify(spec.parameters)}`, spec] as const))(
    '%s: every row and column stands for what its label says',
    async (_, spec) => {
      for (const picture of viewsOf(await runSpec(spec, { openModel }))) {
        // Curves are about training or about all layers at once.
        if (picture.view === 'curves') continue
        const { rows, columns } = marksOf(picture)
        expect(picture.places).toBeDefined()
        for (const [labels, places] of [
          [rows, picture.places!.rows],
          [columns, picture.places!.columns],
        ] as const) {
          if (places === undefined) {
            // What has no row (a strip of tokens) or no column (bars), or is a list of measures, says nothing about it.
            expect(['tokenStrip', 'barList', 'heatMap', 'circuitGraph']).toContain(picture.view)
            expect(
              labels.filter((label) => Object.keys(named(label)).length > 0 && picture.view === 'heatMap'),
            ).toEqual([])
            continue
          }
          expect(places).toHaveLength(labels.length)
          labels.forEach((label, i) => {
            expect(places[i]).toMatchObject(named(label))
          })
        }
      }
    },
  )

  it('positions count in their prompt, and several prompts are told apart', async () => {
    const pictures = viewsOf(await runSpec(toySpec('lens', [[1, 4, 2], [3]]), { openModel }))
    expect(placeAt(pictures[0]!.places, 0, 2)).toEqual({ prompt: 0, position: 2 })
    expect(placeAt(pictures[1]!.places, 2, 0)).toEqual({ prompt: 1, layer: 1, position: 0 })
    const [head] = viewsOf(await runSpec(toySpec('attention', [[1, 4, 2]], { layers: [1], heads: [0] }), { openModel }))
    expect(placeAt(head!.places, 2, 1)).toEqual({ layer: 1, head: 0, position: 2, key: 1 })
  })

  it('only the positions that were patched have columns', async () => {
    const spec = toySpec('patch', [PAIR], { what: 'resid_pre', positions: [1, -1], layers: [1] })
    const [map] = viewsOf(await runSpec(spec, { openModel }))
    expect(map!.places).toEqual({ rows: [{ layer: 1 }], columns: [{ position: 1 }, { position: 4 }] })
  })

  it('a position of the corrupted prompt is the token of the clean prompt that it corresponds to', () => {
    const tokens = (ids: number[]) => ({ ids, tokens: ids.map(String) })
    const pair = { clean: tokens([1, 4, 0, 2, 5]), corrupt: tokens([1, 4, 2, 5]) }
    expect(patchedPlaces(pair, 'clean_into_corrupted', [0, 1, 2, 3])).toEqual(
      [0, 1, 3, 4].map((position) => ({ position })),
    )
    expect(patchedPlaces(pair, 'corrupted_into_clean', [2, 4])).toEqual([{ position: 2 }, { position: 4 }])
    const inserted = { clean: pair.corrupt, corrupt: pair.clean }
    expect(patchedPlaces(inserted, 'clean_into_corrupted', [1, 2, 3])).toEqual([{ position: 1 }, {}, { position: 2 }])
  })

  it('shared heads of keys and values are no heads of the model', async () => {
    const shared = Object.values(toyForms).find(({ n_heads, n_key_value_heads }) => n_key_value_heads < n_heads)!
    const model = await openToy(shared)
    models.push(model)
    for (const by of ['head', 'head_position']) {
      const result = await runSpec(toySpec('patch', [PAIR], { what: 'k', by }), { openModel: async () => model })
      const [map] = viewsOf(result)
      expect(result.values.axes).toHaveProperty('key_value_head')
      expect(placeAt(map!.places, 1, 0)).toEqual(by === 'head' ? { layer: 1 } : { layer: 1, position: 0 })
      expect(
        renderText('heatMap', map!.props as never, { width: 80, color: 'none', unicode: true } as never).join(),
      ).toContain('KV0')
      expect(runsAtOf(result, { layer: 1, head: 0, position: 0 })).toEqual([])
    }
  })

  it('labels of parts', () => {
    expect(['L3H12', 'L0N7', '2_mlp_out', '0_pre', 'embed', 'final_post', 'bias'].map(placeOfLabel)).toEqual([
      { layer: 3, head: 12 },
      { layer: 0, neuron: 7 },
      { layer: 2 },
      { layer: 0 },
      {},
      {},
      {},
    ])
  })

  it('a mark is not selected for its prompt alone', () => {
    expect(isAt({ prompt: 0, layer: 1, head: 2 }, { prompt: 0, position: 3 })).toBe(false)
    expect(isAt({ prompt: 0, layer: 1, head: 2 }, { prompt: 0, layer: 1 })).toBe(true)
    expect(isAt({ prompt: 0, layer: 1 }, { prompt: 1, layer: 1 })).toBe(false)
  })
})
