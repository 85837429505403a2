import { type CausalTrace, TOKEN_CLASSES } from '../../methods/index.ts'
import { renderSvg } from '../../views/index.ts'
import type { ArmResult } from '../experiment.ts'

/** Maps of the first seed of each arm, and the loss of all. */
export function figures(results: readonly ArmResult[]): Readonly<Record<string, string>> {
  const arms = [...new Set(results.map(({ arm }) => arm))]
  const firsts = arms.map((name) => results.find(({ arm }) => arm === name)!)
  return {
    ...Object.fromEntries(
      firsts.flatMap((result) =>
        (['noise', 'replacement'] as const).flatMap((corruption) =>
          (result.measures.tables[corruption] as readonly CausalTrace[]).flatMap((trace) =>
            // other arms are there for the map of the residual stream
            result.arm === arms[0] || (trace.state === 'resid' && !trace.severed && corruption === 'noise')
              ? [[nameOf(result, corruption, trace), picture(result, corruption, trace)]]
              : [],
          ),
        ),
      ),
    ),
    loss: renderSvg('curves', {
      title: 'Loss on prompts that ask for one fact',
      xLabel: 'training steps',
      yLabel: 'loss (nats)',
      xScale: 'log',
      series: results.map(({ arm, seed, measures }) => ({ name: `${arm}, seed ${seed}`, ...measures.curves.loss! })),
    }),
  }
}

function nameOf({ arm }: ArmResult, corruption: string, { state, severed }: CausalTrace): string {
  return [arm, corruption, state, ...(severed ? [`without-${severed}`] : [])].join('-')
}

function picture({ arm, seed }: ArmResult, corruption: string, { state, severed, byClass }: CausalTrace): string {
  const rows = byClass as readonly (readonly (number | null)[])[]
  // no subject has a token between its first and its last
  const present = [...TOKEN_CLASSES.keys()].filter((column) => rows.every((row) => row[column] !== null))
  const what = { resid: 'the residual stream', mlp: 'MLP outputs', attn: 'attention outputs' }[state]
  const cut = severed ? `, later ${severed} layers held as corrupted` : ''
  return renderSvg('heatMap', {
    title: `Restoring ${what}${cut}, ${corruption}; ${arm}, seed ${seed}`,
    values: rows.map((row) => present.map((column) => row[column]!)),
    rowLabels: rows.map((_, layer) => `layer ${layer}`),
    columnLabels: present.map((column) => TOKEN_CLASSES[column]!),
    rowAxis: 'layer',
    columnAxis: 'token',
    valueLabel: 'indirect effect on the probability',
    domain: [-1, 1],
  })
}
