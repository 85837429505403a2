import type { SubspacePatchValues } from '../../methods/index.ts'
import { trueEffects } from '../../models/compiled/index.ts'
import { type MethodClaims, meanOf } from './claims.ts'
import { byCorruption, pairPrompts } from './pair-claims.ts'

/** From this share of the difference on, a subspace is said to carry it: what the method's own checks look at. */
const CARRIES_FROM = 0.25

/** What subspace patching claims. */
export const subspaceClaims: MethodClaims<SubspacePatchValues> = {
  claims: `heads (z) and MLP layers (neurons) of which one searched direction restores ${100 * CARRIES_FROM} % of the difference between the runs or more, and how much`,
  truth: 'heads and MLP layers that restore as much when patched whole, and how much (every one is tried, exactly)',
  watchedBy: [
    'what is read of the subspace does it alone',
    'the whole activation does it too',
    'little is carried beside the subspace',
  ],
  runs: (compiled) =>
    byCorruption(compiled).flatMap((group) => {
      const carrying = trueEffects(group).filter(({ denoising }) => meanOf(denoising) >= CARRIES_FROM)
      return (['z', 'neurons'] as const)
        .filter((what) => what === 'z' || !compiled.config.attn_only)
        .map((what) => ({
          prompts: pairPrompts(group.pairs),
          parameters: { what, subspace: 'search' },
          truth: carrying
            .filter(({ part }) => part.endsWith('MLP') === (what === 'neurons'))
            .map(({ part, denoising }) => ({ name: part, share: meanOf(denoising) })),
          read: ({ sites }: SubspacePatchValues) =>
            sites
              .filter(({ restored }) => (restored.subspace ?? 0) >= CARRIES_FROM)
              .map(({ layer, head, restored }) => ({
                name: head === null ? `L${layer}MLP` : `L${layer}H${head}`,
                share: restored.subspace,
              })),
        }))
    }),
}
