import { Argument, Option } from 'commander'
import type { CheckCounts, MethodTest } from '../../runs/index.ts'
import { wrap } from '../../views/labels.ts'
import { alignColumns } from '../columns.ts'
import { defineCommand, type Session } from '../command.ts'
import { EXIT, UsageError } from '../errors.ts'
import { checkWritable, writeFileOrFail } from '../files.ts'
import { jsonOption, repeatable, threadsOption, wholeNumbers } from '../flags.ts'
import { withSetting } from '../set-path.ts'
import { bold } from '../terminal.ts'

interface Flags {
  readonly family?: readonly string[]
  readonly seeds?: readonly number[]
  readonly mislead?: string
  readonly set?: readonly string[]
  readonly json?: boolean
  readonly csv?: string
  readonly threads?: number
}

export const testMethod = defineCommand<Flags>({
  name: 'test-method',
  summary: 'Hold what a method claims against models whose circuits are known, and see whether its checks notice',
  arguments: [new Argument('[method]', 'a method; without one, what each method claims is listed')],
  options: [
    repeatable('--family <name>', 'a family of compiled models (default: all)'),
    new Option('--seeds <list>', 'instances of each family (default: 1,2,3)').argParser(wholeNumbers),
    new Option('--mislead <list>', 'how much of the misleading mechanism, each from 0 to 1 (default: 0,1)'),
    repeatable('--set <parameter=value>', 'a parameter of the method, such as kind=zero'),
    jsonOption,
    new Option('--csv <file>', 'write the table of families as CSV'),
    threadsOption,
  ],
  details:
    'Precision: true claims among all claims. Recall: claimed truths among all truths. Caught: of the runs in which some claim is wrong or missing, those in which a check of the method failed. False alarms: of all other runs, those in which one failed. mislead 0 is the sound neighbour of a family, 1 its whole mechanism. Ctrl-C keeps the models that are done.',
  examples: [
    'test-method',
    'test-method patch --family and-gate --family or-gate --seeds 1',
    'test-method ablate --family constant-head --seeds 1,2 --set kind=zero --json',
  ],
  async run([method], flags, session) {
    if (method === undefined) return list(flags, session)
    if (flags.csv !== undefined) await checkWritable(flags.csv)
    const { familyTable, methodOf, testMethod } = await import('../../runs/index.ts')
    const { createNodeBackend } = await import('../../engine/node/backend.ts')
    methodOf(method)
    const parameters = (flags.set ?? []).reduce<Record<string, unknown>>(withSetting, {})
    const { signal, onProgress } = session
    const backend = createNodeBackend(flags.threads === undefined ? {} : { threads: flags.threads })
    const test = await testMethod(method, {
      ...{ backend, parameters, signal, onProgress },
      families: flags.family,
      seeds: flags.seeds,
      misleads: shares(flags.mislead),
    }).finally(() => backend.dispose())
    if (flags.csv !== undefined) {
      const { toCsv } = await import('../../views/index.ts')
      await writeFileOrFail(flags.csv, toCsv(familyTable(test)))
      session.note(`Wrote ${flags.csv}`)
    }
    if (flags.json) session.print(`${JSON.stringify(test)}\n`)
    else session.print(`${report(test, session).join('\n')}\n`)
    if (test.complete) return EXIT.ok
    session.note('Interrupted: this is a partial result.')
    return EXIT.interrupted
  },
})

function shares(text: string | undefined): number[] | undefined {
  if (text === undefined) return undefined
  const values = text.split(',').map(Number)
  if (values.every((value) => value >= 0 && value <= 1)) return values
  throw new UsageError(`--mislead takes numbers from 0 to 1 separated by commas; it got "${text}".`)
}

async function list(flags: Flags, session: Session): Promise<number> {
  const { claimingMethods, claimsOf, methodNames } = await import('../../runs/index.ts')
  const known = claimingMethods.map((name) => ({ name, claims: claimsOf(name).claims, truth: claimsOf(name).truth }))
  const none = methodNames.filter((name) => !claimingMethods.includes(name))
  if (flags.json) {
    session.print(`${JSON.stringify({ methods: known, claimNothing: none })}\n`)
    return EXIT.ok
  }
  const lines = known.flatMap(({ name, claims, truth }) => [
    bold(name, session.text),
    ...wrap(`claims: ${claims}`, session.text.width - 2).map((line) => `  ${line}`),
    ...wrap(`true are: ${truth}`, session.text.width - 2).map((line) => `  ${line}`),
  ])
  const others = `These make no claim about which parts of a model do what: ${none.join(', ')}.`
  session.print(`${[...lines, '', ...wrap(others, session.text.width)].join('\n')}\n`)
  return EXIT.ok
}

/** At most so many mistakes are listed. */
const MISTAKES = 12

function report(test: MethodTest, { text }: Session): string[] {
  const paragraph = (line: string) => wrap(line, text.width)
  const mistakes = test.runs.filter(({ misled, refused }) => misled || refused !== null)
  const said = mistakes.slice(0, MISTAKES).flatMap((run) => {
    const what = run.refused ?? [listed('wrong', run.wrong), listed('missed', run.missed)].filter(Boolean).join('; ')
    return paragraph(`${run.family}, mislead ${run.mislead}, seed ${run.seed}: ${what}`)
  })
  const more = mistakes.length > MISTAKES ? [`and ${mistakes.length - MISTAKES} more (--json has all)`] : []
  const rows = [...test.families, { family: 'all', mislead: '', ...test.total }]
  const checks = test.checks.flatMap((check) =>
    paragraph(`${check.name}: caught ${caught(check)}, false alarms ${falseAlarms(check)}${notMade(check)}`),
  )
  return [
    bold(`${test.method} against ${test.families.length} kinds of models whose circuits are known`, text),
    ...paragraph(`Claimed: ${test.claims}.`),
    ...paragraph(`True: ${test.truth}.`),
    '',
    ...alignColumns(
      [
        ['family', 'mislead', 'runs', 'precision', 'recall', 'caught', 'false alarms'],
        ...rows.map((row) => [
          row.family,
          String(row.mislead),
          row.refused === 0 ? String(row.runs) : `${row.runs} (${row.refused} refused)`,
          share(row.precision),
          share(row.recall),
          caught(row),
          falseAlarms(row),
        ]),
      ],
      text,
    ),
    '',
    ...(checks.length > 0 ? [bold('Checks', text), ...checks, ''] : []),
    ...(mistakes.length > 0 ? [bold('Mistakes (shares in brackets)', text), ...said, ...more] : ['No mistakes.']),
  ]
}

const listed = (what: string, names: readonly string[]) =>
  names.length === 0 ? '' : `${what} ${names.slice(0, 4).join(', ')}${names.length > 4 ? ' ...' : ''}`
const share = (value: number | null) => (value === null ? '-' : value.toFixed(2))
const caught = ({ misled, firedWhenMisled }: CheckCounts) => (misled === 0 ? '-' : `${firedWhenMisled} of ${misled}`)
const falseAlarms = ({ right, firedWhenRight }: CheckCounts) => (right === 0 ? '-' : `${firedWhenRight} of ${right}`)

function notMade({ notTested, watches }: MethodTest['checks'][number]): string {
  const aside = watches ? '' : '; not about these claims'
  return `${notTested === 0 ? '' : `, not tested ${notTested} times`}${aside}`
}
