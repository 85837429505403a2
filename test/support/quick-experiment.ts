import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { findExperiment } from '../../src/experiments/index.ts'
import { experimentPlaces } from '../../src/experiments/node/places.ts'
import { measureExperiment, readPlan, trainRuns } from '../../src/experiments/node/run-experiment.ts'

const packageFolder = fileURLToPath(new URL('../..', import.meta.url))

/** Trains, measures and draws the short version of a reproduction in a folder of its own, and expects its bars to hold. */
export async function expectQuickVersionHolds(name: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'diopter-quick-'))
  try {
    const places = { ...experimentPlaces(packageFolder, folder, name, true), results: folder, runs: folder }
    const plan = readPlan(places, true)
    // One thread: such small models gain nothing from two, and test files run side by side.
    await trainRuns(places, plan.runs, { threads: 1 })
    const { results } = await measureExperiment(findExperiment(name), places, plan, { quick: true, threads: 1 })
    expect(results.bars.filter(({ met }) => !met)).toEqual([])
    const figures = await readdir(join(folder, 'figures'))
    expect(figures.length).toBeGreaterThan(0)
    for (const figure of figures) expect(await readFile(join(folder, 'figures', figure), 'utf8')).toMatch(/^<svg/)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
