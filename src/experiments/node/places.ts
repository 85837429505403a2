import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, sep } from 'node:path'
import { DiopterError, nearMatches } from '../../errors/index.ts'
import { type ExperimentResults, readResults } from '../report.ts'
import { type ExperimentSpec, parseExperiment } from '../spec.ts'

/** Where an experiment's files lie. */
export interface ExperimentPlaces {
  /** The experiment.json, part of the package. */
  readonly spec: string
  /** The write-up, part of the package. */
  readonly readme: string
  /** Gets results.json, README.md and figures/. */
  readonly results: string
  /** Gets a folder per arm and seed, `<arm>-<seed>`. */
  readonly runs: string
}

/**
 * Where the experiment `name` of the package in `packageFolder` lies, and where its short or full version writes: beside
 * its experiment.json in a checkout, under `workingFolder` when the package is installed (in node_modules, or read-only).
 * The short version writes its results beside its runs, so that it never replaces those of the full one.
 */
export function experimentPlaces(
  packageFolder: string,
  workingFolder: string,
  name: string,
  quick: boolean,
): ExperimentPlaces {
  const shipped = join(packageFolder, 'experiments', name)
  const home = isCheckout(packageFolder) ? packageFolder : workingFolder
  const runs = join(home, '.runs', 'experiments', quick ? `${name}-quick` : name)
  return {
    spec: join(shipped, 'experiment.json'),
    readme: join(shipped, 'README.md'),
    results: quick ? join(runs, 'results') : join(home, 'experiments', name),
    runs,
  }
}

function isCheckout(folder: string): boolean {
  if (folder.split(sep).includes('node_modules')) return false
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** The folder of one arm and seed. */
export function runFolder({ runs }: ExperimentPlaces, arm: string, seed: number): string {
  return join(runs, `${arm}-${seed}`)
}

/** Reads and checks an experiment.json. Throws when there is none (with the experiments that exist), or it does not fit. */
export function readExperiment({ spec }: Pick<ExperimentPlaces, 'spec'>): ExperimentSpec {
  if (!existsSync(spec)) {
    const [name, all] = [basename(dirname(spec)), dirname(dirname(spec))]
    const names = existsSync(all) ? readdirSync(all).filter((one) => existsSync(join(all, one, basename(spec)))) : []
    throw new DiopterError(
      `There is no experiment '${name}' (${spec}). Near: ${nearMatches(name, names, 2).join(', ')}. All: ${names.join(', ')}.`,
    )
  }
  let value: unknown
  try {
    value = JSON.parse(readFileSync(spec, 'utf8'))
  } catch (error) {
    throw new DiopterError(`${spec} is not JSON: ${(error as Error).message}.`)
  }
  return parseExperiment(value, spec)
}

/** The results that were written last; undefined when none were. Throws when the file is damaged. */
export function readWrittenResults({ results }: ExperimentPlaces): ExperimentResults | undefined {
  const path = join(results, 'results.json')
  return existsSync(path) ? readResults(readFileSync(path, 'utf8'), path) : undefined
}
