import { EXAMPLE_PAIR } from '../../runs/examples.ts'
import { methodOf, parseResult, parseSpec, type RunResult, type RunSpecInput } from '../../runs/index.ts'

/** The shipped model that the page opens with. */
export const DEFAULT_MODEL = 'text'

/** The methods that are carried out by the build, so that the page has something to show at once. */
export const FIRST_METHODS: readonly string[] = ['predict', 'lens', 'attention']

/** What the page asks when it is first opened: these methods about the clean prompt of its first workspace. */
export function firstSpecs(): RunSpecInput[] {
  return FIRST_METHODS.map((method) => ({
    version: 1,
    model: { ref: DEFAULT_MODEL },
    method,
    prompts: [EXAMPLE_PAIR.clean],
    parameters: methodOf(method).example.parameters ?? {},
  }))
}

/** The results' name beside the page. */
export const FIRST_RESULTS = 'first-results.json'

/** Specs that ask the same have one key, wherever they run. Throws as `parseSpec` does. */
export function specKey(input: RunSpecInput): string {
  const { backend: _, ...spec } = parseSpec(input)
  return JSON.stringify(sorted(spec))
}

/**
 * What the build computed for the page's default specs, by `specKey`.
 * @param base the URL of the page's folder. Throws when the page's host does not give the file.
 */
export async function firstResults(base: string): Promise<ReadonlyMap<string, RunResult>> {
  const response = await fetch(new URL(FIRST_RESULTS, base))
  const results = ((await response.json()) as unknown[]).map(parseResult)
  return new Map(results.map((result) => [specKey(result.spec), result]))
}

/** The same data with the keys of all objects in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, entry]) => [key, sorted(entry)]))
}
