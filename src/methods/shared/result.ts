import { matchNames } from '../../lab/hook-names.ts'
import type { Edit, EditReport, Model, Prompt, Provenance, RunOptions, RunOutput } from '../../lab/index.ts'
import type { Check } from './checks.ts'

/** What a piece of work took. */
export interface Cost {
  readonly milliseconds: number
  /** Sessions created: graphs of a new structure, and promotions to resident weights. */
  readonly compiles: number
  /** Graphs run, those of the checks included. */
  readonly runs: number
  /** Edited versions of a run whose metric was computed, those of the checks included. */
  readonly variants: number
}

/** What every method returns. Values are plain JSON: nested arrays of numbers, null where there is none. */
export interface MethodResult<Values> {
  readonly values: Values
  readonly checks: readonly Check[]
  readonly cost: Cost
  /** How often each edit of the options fired, in all runs and variants that `cost` counts. */
  readonly edits: readonly EditReport[]
  readonly provenance: Provenance
  /** False when the work was cancelled: `values` and `checks` hold what was done until then. */
  readonly complete: boolean
}

/** Counts what is spent, and how often edits fire, from its creation on. */
export class Meter {
  private variants = 0
  private reports: EditReport[] = []
  private readonly model: Model
  private readonly started = performance.now()
  private readonly before: { readonly compiles: number; readonly runs: number }

  constructor(model: Model) {
    this.model = model
    this.before = model.engine.statistics
  }

  get cost(): Cost {
    const { compiles, runs } = this.model.engine.statistics
    return {
      milliseconds: Math.round(performance.now() - this.started),
      compiles: compiles - this.before.compiles,
      runs: runs - this.before.runs,
      variants: this.variants,
    }
  }

  get edits(): readonly EditReport[] {
    return this.reports
  }

  /** Runs the model as `Model.run` does; the options' edits are the method's. */
  async run(prompts: readonly Prompt[], options: RunOptions): Promise<RunOutput> {
    const run = await this.model.run(prompts, options)
    this.addReports(run.edits)
    return run
  }

  /** Counts variants that were computed, each with all of the method's edits. */
  addVariants(count: number, edits: readonly Edit[]): void {
    this.variants += count
    this.addFirings(count, edits)
  }

  /** Counts all of the method's edits, for so many rows of a run that are no variants. */
  addFirings(count: number, edits: readonly Edit[]): void {
    this.addReports(
      edits.map(({ hook, kind }) => {
        const hooks = matchNames(hook, this.model.hookNames, 'The hook')
        return { hook, kind, hooks, fired: count * hooks.length }
      }),
    )
  }

  private addReports(reports: readonly EditReport[]): void {
    if (reports.length > 0)
      this.reports = reports.map((report, i) => ({ ...report, fired: report.fired + (this.reports[i]?.fired ?? 0) }))
  }
}
