import type { CausalTraceValues } from '../../methods/index.ts'
import {
  type CompiledModel,
  type CompiledPair,
  MATTERS_FROM,
  type Part,
  partsOf,
  referenceRun,
  trueLogitDifference,
} from '../../models/compiled/index.ts'
import type { Claim, MethodClaims } from './claims.ts'
import { byCorruption, claimsFrom, pairPrompts } from './pair-claims.ts'

// What causal tracing claims: which outputs of attention and MLP layers, at which token, are enough.

type State = 'attn' | 'mlp'

const cellName = (state: string, layer: number, position: number) => `L${layer} ${state} at ${position}`

/** What causal tracing claims. */
export const causalTraceClaims: MethodClaims<CausalTraceValues> = {
  claims: `outputs of attention and MLP layers at one token that, restored, bring back ${100 * MATTERS_FROM} % of the logit difference or more`,
  truth: 'the same, by restoring every one exactly',
  runs: (compiled) =>
    byCorruption(compiled).map((group) => ({
      prompts: pairPrompts(group.pairs),
      parameters: { corruption: 'replacement', measure: 'logit_difference', window: 1 },
      truth: trueCells(group),
      read: ({ traces, prompts, totalEffect, layers }) =>
        claimsFrom(
          traces.flatMap(({ state }, t) =>
            state === 'resid'
              ? []
              : layers.flatMap((layer, row) =>
                  prompts[0]!.prompt.ids.map((_, position) => {
                    const effects = prompts.map(({ effects }) => (effects as number[][][])[t]![row]![position]!)
                    return [cellName(state, layer, position), mean(effects) / totalEffect.logit_difference] as const
                  }),
                ),
          ),
        ),
    })),
}

/** Restores every output at every token of the corrupted runs; shares of the mean difference between the two prompts. */
function trueCells({ circuit, pairs, config }: CompiledModel): Claim[] {
  const runs = pairs.map((pair) => ({
    pair,
    clean: referenceRun(circuit, pair.clean),
    corrupt: referenceRun(circuit, pair.corrupt),
  }))
  const whole = mean(
    runs.map(({ pair, clean, corrupt }) => trueLogitDifference(clean, pair) - trueLogitDifference(corrupt, pair)),
  )
  const parts = partsOf(circuit)
  const states: readonly State[] = config.attn_only ? ['attn'] : ['attn', 'mlp']
  return claimsFrom(
    states.flatMap((state) =>
      circuit.layers.flatMap((_, layer) => {
        const own = parts.filter((part) => part.startsWith(`L${layer}`) && part.endsWith('MLP') === (state === 'mlp'))
        return pairs[0]!.clean.map((_, position) => {
          const effects = runs.map((run) => restored(run, own, position))
          return [cellName(state, layer, position), mean(effects) / whole] as const
        })
      }),
    ),
  )

  function restored(
    { pair, clean, corrupt }: { pair: CompiledPair; clean: Held; corrupt: Held },
    own: readonly Part[],
    position: number,
  ): number {
    const set = new Map(
      own.map((part) => {
        const [from, into] = [clean.held.get(part)!, corrupt.held.get(part)!]
        const data = into.data.slice()
        const at = position * into.columns
        data.set(from.data.subarray(at, at + into.columns), at)
        return [part, { ...into, data }] as const
      }),
    )
    const run = referenceRun(circuit, pair.corrupt, { set })
    return trueLogitDifference(run, pair) - trueLogitDifference(corrupt, pair)
  }
}

type Held = ReturnType<typeof referenceRun>

const mean = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / values.length
