import type { RunResult } from '../runs/index.ts'
import type { ReportBlock, ViewSpec } from '../views/index.ts'
import { wrap } from '../views/labels.ts'
import type { Session } from './command.ts'
import { UsageError } from './errors.ts'
import { checkWritable, writeFileOrFail } from './files.ts'
import type { OutputFlags } from './flags.ts'
import { faint } from './terminal.ts'
import { formatCount } from './units.ts'

/** Checks that every file asked for can be written, before the work. */
export async function checkOutputs(
  { svg, csv, html }: OutputFlags,
  ...others: readonly (string | undefined)[]
): Promise<void> {
  for (const path of [svg, csv, html, ...others]) if (path !== undefined) await checkWritable(path)
}

/** Prints a result, `before` it some lines about this result, and writes the files asked for. */
export async function showResult(
  result: RunResult,
  flags: OutputFlags,
  session: Session,
  before: readonly string[] = [],
): Promise<void> {
  const { resultToJson, viewsOf } = await import('../runs/index.ts')
  const pictures = viewsOf(result)
  await writePictures(pictures, result, flags, session)
  // Without a picture the values themselves are what there is to see.
  if (flags.json || pictures.length === 0) {
    const { values, ...rest } = JSON.parse(resultToJson(result)) as { values: object }
    session.print(`${JSON.stringify({ ...values, ...rest })}\n`)
    return
  }
  const { renderText } = await import('../views/index.ts')
  const sections = [
    ...(before.length > 0 ? [before] : []),
    ...pictures.map(({ view, props }) => renderText(view, props, session.text)),
    ...(result.checks.length > 0
      ? [renderText('checksList', { title: 'Checks', checks: result.checks }, session.text)]
      : []),
    [...editLines(result), costLine(result)].flatMap((line) =>
      wrap(line, session.text.width).map((part) => faint(part, session.text)),
    ),
  ]
  session.print(`${sections.map((lines) => lines.join('\n')).join('\n\n')}\n`)
}

async function writePictures(
  pictures: readonly ViewSpec[],
  result: RunResult,
  { svg, csv, html }: OutputFlags,
  session: Session,
): Promise<void> {
  if (svg === undefined && csv === undefined && html === undefined) return
  const { htmlReport, renderSvg, toCsv, viewTable } = await import('../views/index.ts')
  if (pictures.length === 0 && (svg !== undefined || csv !== undefined))
    throw new UsageError(`${result.spec.method} has no picture here, so there is nothing for --svg or --csv to hold.`)
  for (const [index, { view, props }] of pictures.entries()) {
    if (svg !== undefined) await write(numbered(svg, index), renderSvg(view, props), session)
    if (csv !== undefined) await write(numbered(csv, index), toCsv(viewTable(view, props)), session)
  }
  if (html !== undefined) await write(html, htmlReport(reportOf(pictures, result)), session)
}

/** `map.svg`, then `map-2.svg` for a result's second picture. */
function numbered(path: string, index: number): string {
  if (index === 0) return path
  return /\.[^./\\]+$/.test(path) ? path.replace(/(\.[^./\\]+)$/, `-${index + 1}$1`) : `${path}-${index + 1}`
}

async function write(path: string, content: string, session: Session): Promise<void> {
  await writeFileOrFail(path, content)
  session.note(`Wrote ${path}.`)
}

function reportOf(pictures: readonly ViewSpec[], result: RunResult): { title: string; blocks: ReportBlock[] } {
  const checks: ReportBlock[] =
    result.checks.length > 0 ? [{ view: 'checksList', props: { title: 'Checks', checks: result.checks } }] : []
  const partial: ReportBlock[] = result.complete
    ? []
    : [{ heading: 'Partial result', text: 'The work was interrupted: this is what was done until then.' }]
  return {
    title: `${result.spec.method}: ${result.provenance.model}`,
    blocks: [
      ...partial,
      ...pictures,
      ...checks,
      { heading: 'How to repeat it', text: `diopter run on this spec: ${JSON.stringify(result.spec)}` },
      { heading: 'Where it comes from', text: [...editLines(result), costLine(result)].join('\n') },
    ],
  }
}

/** A line per edit: `Edit of blocks.*.hook_mlp_out (zero): fired 10 times, at 5 hooks`. */
export function editLines({ edits }: RunResult): string[] {
  return edits.map(
    ({ hook, kind, hooks, fired }) =>
      `Edit of ${hook} (${kind}): fired ${counted(fired, 'time')}, at ${counted(hooks.length, 'hook')}`,
  )
}

const counted = (count: number, what: string): string => `${formatCount(count)} ${what}${count === 1 ? '' : 's'}`

/** `stories260K, onnxruntime-node cpu, float32, start token <s> (post-processor): 1.3 s, 41 variants`. */
export function costLine({ provenance, cost }: RunResult): string {
  const { model, revision, processing, backend, dtype, startToken } = provenance
  const parts = [
    revision ? `${model}@${revision.slice(0, 8)}` : model,
    ...(processing.length > 0 ? [processing.join(', ')] : []),
    backend,
    dtype,
    `start token ${startToken}`,
  ]
  const variants = cost.variants > 0 ? [counted(cost.variants, 'variant')] : []
  const work = [`${(cost.milliseconds / 1000).toFixed(1)} s`, counted(cost.runs, 'run'), ...variants]
  return `${parts.join(', ')}; ${work.join(', ')}`
}
