import type { CompiledModel } from '../../models/compiled/index.ts'
import type { MethodExample } from '../method.ts'

/** Something that a method says of a model, or that is true of it: a part, an edge, a row. */
export interface Claim {
  /** As the truth of compiled models names it: `L0H1`, `L0MLP`, `embed->L0H1.v`. */
  readonly name: string
  /** How much it does, as a share of the whole difference; null where only yes or no is said. */
  readonly share: number | null
}

/** One run of a method on a compiled model, with what is true of just what it is asked. */
export interface TruthRun<Values> extends MethodExample {
  /** All that is true, by exact interventions or by construction. */
  readonly truth: readonly Claim[]
  /** What the method's result claims. */
  readonly read: (values: Values) => readonly Claim[]
}

/** What a method claims, so that it can be held against the truth. */
export interface MethodClaims<Values> {
  /** What counts as a claim, and what as true, in one sentence each. */
  readonly claims: string
  readonly truth: string
  /** The checks that watch over these claims; all of the method's unless said. */
  readonly watchedBy?: readonly string[]
  /** The runs; `asked` are parameters that were asked for on top of theirs, where the truth depends on them. */
  readonly runs: (compiled: CompiledModel, asked: Readonly<Record<string, unknown>>) => readonly TruthRun<Values>[]
}

/** The arithmetic mean, of shares over pairs or questions. */
export const meanOf = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length

/** A claimed share may differ from the true one by this, as a share of the whole difference: more is another story about the model. */
export const SHARE_TOLERANCE = 0.25

/** The same claims, of those only that `keep` keeps, watched by these checks. */
export function restrictClaims<Values>(
  { runs, ...texts }: MethodClaims<Values>,
  keep: (claim: Claim) => boolean,
  watchedBy: readonly string[],
): MethodClaims<Values> {
  return {
    ...texts,
    watchedBy,
    runs: (compiled, asked) =>
      runs(compiled, asked).map((run) => ({
        ...run,
        truth: run.truth.filter(keep),
        read: (values) => run.read(values).filter(keep),
      })),
  }
}

/** How claims and truth meet. */
export interface Agreement {
  readonly claimed: number
  readonly true: number
  /** Claims that are true, and not of a wrong size. */
  readonly right: number
  /** Claims that are not true, truths that are not claimed, and claims of a wrong size (in both lists). */
  readonly wrong: readonly string[]
  readonly missed: readonly string[]
}

/** Holds claims against the truth. */
export function compareClaims(claims: readonly Claim[], truth: readonly Claim[]): Agreement {
  const known = new Map(truth.map((claim) => [claim.name, claim.share]))
  const isRight = ({ name, share }: Claim) => {
    const real = known.get(name)
    if (real === undefined) return false
    return share === null || real === null || Math.abs(share - real) <= SHARE_TOLERANCE
  }
  const right = new Set(claims.filter(isRight).map(({ name }) => name))
  const said = (share: number | null | undefined) => (share == null ? '' : ` (${share.toFixed(2)})`)
  return {
    claimed: claims.length,
    true: truth.length,
    right: right.size,
    wrong: claims.flatMap(({ name, share }) =>
      right.has(name) ? [] : [`${name}${known.has(name) ? `${said(share)} for${said(known.get(name))}` : said(share)}`],
    ),
    missed: truth.flatMap(({ name, share }) => (right.has(name) ? [] : [`${name}${said(share)}`])),
  }
}
