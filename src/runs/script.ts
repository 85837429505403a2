import { methodOf } from './registry.ts'
import { parseSpec } from './runner.ts'
import type { RunSpec, RunSpecInput } from './schema.ts'

/**
 * A script that carries a spec out again and prints the result as JSON: complete, for Node, importing 'diopter' only.
 * Throws as `parseSpec` does.
 */
export function toScript(input: RunSpecInput): string {
  const spec = written(input)
  return `// ${methodOf(spec.method).title}, run again: save as again.mjs beside an installed 'diopter', then node again.mjs
import { openAndRun, resultToJson } from 'diopter'

const result = await openAndRun(${literal(spec)})
console.log(resultToJson(result)) // result.values holds the numbers
`
}

/** Longer arguments than this are refused by some systems, so the spec comes from stdin. */
const LONGEST_ARGUMENT = 100_000

/** A command line for POSIX shells that carries a spec out again. Throws as `parseSpec` does. */
export function toCommand(input: RunSpecInput): string {
  const json = JSON.stringify(written(input))
  if (json.length > LONGEST_ARGUMENT) return `npx diopter run - <<'END'\n${json}\nEND`
  // Within single quotes everything is itself, a single quote excepted.
  return `npx diopter run '${json.replaceAll("'", `'\\''`)}'`
}

/** A checked spec without what acts anyway. What ran in a browser's WASM runs on Node's CPU, with the same numbers. */
function written(input: RunSpecInput): RunSpecInput {
  const { version, model, method, prompts, parameters, edits, prependBos, seed, backend }: RunSpec = parseSpec(input)
  return {
    version,
    model,
    method,
    prompts,
    ...(Object.keys(parameters).length > 0 ? { parameters } : {}),
    ...(edits.length > 0 ? { edits } : {}),
    ...(prependBos === undefined ? {} : { prependBos }),
    ...(seed === 0 ? {} : { seed }),
    ...(backend === 'cpu' || backend === 'wasm' ? {} : { backend }),
  }
}

const WIDTH = 100

/** Plain JSON as a JavaScript literal; what does not fit on a line is broken up. */
function literal(value: unknown, indent = ''): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const deeper = `${indent}  `
  const isList = Array.isArray(value)
  const parts = isList
    ? value.map((entry) => literal(entry, deeper))
    : Object.entries(value).flatMap(([key, entry]) =>
        entry === undefined ? [] : [`${name(key)}: ${literal(entry, deeper)}`],
      )
  const [open, close] = isList ? '[]' : '{}'
  const space = isList || parts.length === 0 ? '' : ' '
  const line = `${open}${space}${parts.join(', ')}${space}${close}`
  const isNumbers = isList && value.every((entry) => typeof entry === 'number')
  if (isNumbers || (line.length + indent.length <= WIDTH && !line.includes('\n'))) return line
  return `${open}\n${parts.map((part) => `${deeper}${part},\n`).join('')}${indent}${close}`
}

const name = (key: string): string => (/^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key))
