import { differenceChecks, pairsCheck } from '../patching/patch-checks.ts'
import type { PreparedPair } from '../patching/prompt-pair.ts'
import { atMost, type Check, notTested } from '../shared/checks.ts'
import { summarizeRows } from '../shared/statistics.ts'
import type { PatchedSite, PatchedSubspace } from './subspace-patching.ts'

/** A subspace that restores less than this share of the difference is not said to carry it: nothing about it can mislead. */
const SPEAKS_FROM = 0.25
/** How far two shares of the difference that should be equal may lie apart. */
const GAP = 0.25

/** Whether the subspaces that restore something do it as the model does. */
export function subspaceChecks(
  pairs: readonly PreparedPair[],
  patched: readonly PatchedSite[],
  { clean, corrupt, seed }: { readonly clean: number; readonly corrupt: number; readonly seed: number },
): Check[] {
  const sites = patched.map(({ values }) => values)
  const speaking = sites.filter(({ restored }) => restored.subspace !== null && restored.subspace >= SPEAKS_FROM)
  const changes = pairs.map((_, i) => patched.map((one) => one.changes[i]!))
  return [
    ...differenceChecks(pairs, clean, corrupt),
    readCheck(speaking),
    wholeCheck(speaking),
    restCheck(sites),
    directionsCheck(speaking),
    pairsCheck(summarizeRows(changes, seed), clean - corrupt, pairs.length),
    heldOutCheck(sites),
  ]
}

const NONE = `no subspace restores ${100 * SPEAKS_FROM}% of the difference or more`
const percent = (share: number | null) => (share === null ? 'nothing' : `${Math.round(100 * share)}%`)
/** Between two shares; none where the runs do not differ. */
const less = (a: number | null, b: number | null) => (a === null || b === null ? 0 : a - b)

/** The site where `gap` is largest, as a check that it is small. */
function worstOf(
  claim: Pick<Check, 'name' | 'claimed' | 'why'>,
  sites: readonly PatchedSubspace[],
  gap: (site: PatchedSubspace) => number,
  said: (site: PatchedSubspace) => string,
): Check {
  if (sites.length === 0) return notTested(claim, NONE)
  const worst = sites.reduce((a, b) => (gap(b) > gap(a) ? b : a))
  return atMost(claim, gap(worst), GAP, `${worst.label}: ${said(worst)}`)
}

/** The illusion, from the weights: does the part of the subspace that is read do it alone? */
function readCheck(sites: readonly PatchedSubspace[]): Check {
  const claim = {
    name: 'what is read of the subspace does it alone',
    claimed: `without its part that the next weight takes to 0, the subspace restores as much, less ${100 * GAP}% of the difference at most`,
    why: 'else a part that nothing reads only says how far another one is moved, which never differs between such prompts: the illusion of subspace patching',
  }
  const read = sites.filter((site) => site.restored.read !== null)
  if (sites.length > 0 && read.length === 0)
    return notTested(
      claim,
      'all later layers read this activation, so no weight tells what is not read; patch neurons or z',
    )
  return worstOf(
    claim,
    read,
    ({ restored }) => less(restored.subspace, restored.read),
    ({ restored, readShare }) =>
      `the subspace restores ${percent(restored.subspace)}, its read part ${percent(restored.read)} (${percent(readShare)} of the directions is read)`,
  )
}

/** The illusion, from behaviour: does the activation that holds the subspace do it? */
function wholeCheck(sites: readonly PatchedSubspace[]): Check {
  return worstOf(
    {
      name: 'the whole activation does it too',
      claimed: `the whole activation restores as much as its subspace, less ${100 * GAP}% of the difference at most`,
      why: 'a subspace that does more than all of its activation does it against the rest, or by values that never occur',
    },
    sites,
    ({ restored }) => less(restored.subspace, restored.whole),
    ({ restored }) => `the subspace restores ${percent(restored.subspace)}, the whole ${percent(restored.whole)}`,
  )
}

function restCheck(sites: readonly PatchedSubspace[]): Check {
  return worstOf(
    {
      name: 'little is carried beside the subspace',
      claimed: `all but the subspace restores at most ${100 * GAP}% of the difference`,
      why: 'else the answer is carried in other directions of this activation, too, or only there: more dimensions, or a search, may find them',
    },
    sites,
    ({ restored }) => restored.rest ?? 0,
    ({ restored }) => `the rest restores ${percent(restored.rest)}`,
  )
}

function directionsCheck(sites: readonly PatchedSubspace[]): Check {
  return worstOf(
    {
      name: 'both directions agree',
      claimed: `what the subspace restores in the corrupted run is lost without it in the clean run, within ${100 * GAP}% of the difference`,
      why: 'what is enough for the answer need not be needed for it',
    },
    sites,
    ({ restored, lost }) => Math.abs(less(restored.subspace, lost.subspace)),
    ({ restored, lost }) => `${percent(restored.subspace)} restored, ${percent(lost.subspace)} lost`,
  )
}

function heldOutCheck(sites: readonly PatchedSubspace[]): Check {
  const claim = {
    name: 'searched subspaces work on other pairs',
    claimed: `on pairs that they were not found on they restore as much, less ${100 * GAP}% of the difference at most`,
    why: 'a search fits its own pairs: with many features and few pairs it always finds something',
  }
  const found = sites.flatMap(({ label, search }) => (search ? [{ label, ...search }] : []))
  if (found.length === 0) return notTested(claim, 'nothing was searched')
  const held = found.filter((one) => one.heldOut !== null && one.found !== null && one.found >= SPEAKS_FROM)
  if (held.length === 0)
    return notTested(
      claim,
      found.every(({ heldOut }) => heldOut === null)
        ? `there are ${found[0]!.pairs} pairs; with four or more, half of them are held out`
        : NONE,
    )
  const gap = (one: (typeof held)[number]) => less(one.found, one.heldOut)
  const worst = held.reduce((a, b) => (gap(b) > gap(a) ? b : a))
  return atMost(
    claim,
    gap(worst),
    GAP,
    `${worst.label}: ${percent(worst.found)} on its own ${worst.pairs} pairs, ${percent(worst.heldOut)} on the others`,
  )
}
