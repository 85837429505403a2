import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { experiments } from '../../src/experiments/index.ts'
import { experimentPlaces } from '../../src/experiments/node/places.ts'
import { measureExperiment, readPlan, trainRuns } from '../../src/experiments/node/run-experiment.ts'

const packageFolder = fileURLToPath(new URL('../..', import.meta.url))

/** The text model needs a corpus that no clone has. */
const reproductions = experiments.filter(({ name }) => name !== 'text')

/** Trains, measures and draws the short version of every reproduction: the full versions' code on smaller numbers. */
describe('the short version of a reproduction holds its bars', () => {
  it.each(reproductions.map((experiment) => [experiment.name, experiment] as const))(
    '%s',
    { timeout: 900_000 },
    async (name, experiment) => {
      const folder = await mkdtemp(join(tmpdir(), 'diopter-quick-'))
      try {
        const places = { ...experimentPlaces(packageFolder, folder, name, true), results: folder, runs: folder }
        const plan = readPlan(places, true)
        await trainRuns(places, plan.runs)
        const { results } = await measureExperiment(experiment, places, plan, { quick: true })
        expect(results.bars.filter(({ met }) => !met)).toEqual([])
        const figures = await readdir(join(folder, 'figures'))
        expect(figures.length).toBeGreaterThan(0)
        for (const figure of figures) expect(await readFile(join(folder, 'figures', figure), 'utf8')).toMatch(/^<svg/)
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    },
  )
})
