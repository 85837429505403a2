// `npm run bench [-- --quick] [--only TEXT,TEXT] [--tiny]`: Diopter beside PyTorch, interleaved in one run; a table and
// bench/results.json. `--tiny` is a model of three narrow layers, to see that all works and agrees: its times mean nothing.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { fileURLToPath } from 'node:url'

const here = (name) => fileURLToPath(new URL(name, import.meta.url))
if (!existsSync(here('../dist/index.js'))) {
  console.error('The bench times the built package: run `npm run build` first.')
  process.exit(2)
}
// The peer's allocator keeps freed memory and uses huge pages; ours gets the same.
const malloc = 'glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592'
if (process.platform === 'linux' && process.env.GLIBC_TUNABLES !== malloc) {
  const again = spawnSync(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, GLIBC_TUNABLES: malloc },
  })
  process.exit(again.status ?? 1)
}

const tiny = process.argv.includes('--tiny')
if (tiny) process.env.DIOPTER_BENCH_SHAPE = 'tiny'

const { createNodeBackend, loadModel } = await import('../dist/index.js')
const { compareFirstStep, compareNumbers } = await import('./agreement.mjs')
const { cases } = await import('./cases.mjs')
const { gpt2Checkpoint } = await import('./gpt2-checkpoint.mjs')
const { startPeer } = await import('./peers/client.mjs')

const quick = process.argv.includes('--quick')
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1].split(',') : undefined
const isAsked = (name) => !only || only.some((text) => name.includes(text))
const peer = await startPeer({ checkpoint: await gpt2Checkpoint() })
const report = {
  date: new Date().toISOString(),
  cpu: cpus()[0]?.model,
  threads: availableParallelism(),
  node: process.version,
  quick,
  peer: 'skipped' in peer ? peer.skipped : peer.hello,
  cases: [],
}
if ('skipped' in peer) console.log(`Peers skipped: ${peer.skipped}\n`)

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
const summary = (seconds) => ({ minimum: Math.min(...seconds), median: median(seconds) })
const milliseconds = (seconds) => `${(seconds * 1000).toFixed(seconds < 1 ? 1 : 0)} ms`
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`

async function timed(work) {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}

console.log(
  `${tiny ? 'Tiny' : 'GPT-2-small'} shape, random weights (training: see each case), ${report.threads} threads, ${report.cpu}, Node ${report.node}${quick ? ', quick' : ''}`,
)
console.log('times are minimum / median; ratio = peer time : our time, of minima / of medians\n')
for (const benchCase of cases) {
  if (!isAsked(benchCase.name)) continue
  report.cases.push(await timeCase(benchCase))
}

if (isAsked('session memory')) {
  console.log(`\n${await sessionCreation()}`)
  for (const [mode, bar] of [
    ['load', 1.3],
    ['resident', 2.4],
  ])
    console.log(await loadMemory(mode, bar))
}
if (!('skipped' in peer)) peer.close()
if (!tiny) writeFileSync(here('./results.json'), `${JSON.stringify(report, null, 1)}\n`)

/** Times one case beside its peers, prints it, and returns its part of the report. */
async function timeCase(benchCase) {
  const { name, open, repeats, quick: few, warmUps = 4, peers, training } = benchCase
  const opened = await open()
  for (let i = 0; i < warmUps; i++) await opened.run()
  const seconds = []
  // Each peer on each BLAS; the first BLAS is the one that bars are about.
  const settings = 'skipped' in peer ? [] : peer.settings
  const rows = peers.flatMap((each) => settings.map((setting) => ({ ...each, setting, form: undefined, seconds: [] })))
  let returned
  for (let i = 0; i < (quick ? few : repeats); i++) {
    seconds.push(
      await timed(async () => {
        returned = await opened.run()
      }),
    )
    for (const row of rows) {
      const answer = await peer.time(row.setting, row.case, row.options)
      row.seconds.push(answer.seconds)
      row.form = answer.form
    }
  }
  await opened.close()
  const own = summary(seconds)
  console.log(`${name}: ${milliseconds(own.minimum)} / ${milliseconds(own.median)}`)
  const compared = rows.map((row) => compare(row, own, row.setting === settings[0]))
  const timing = { name, seconds, ...own, peers: compared }
  if (training !== undefined) return { ...timing, ...(await besideTraining(benchCase, rows)) }
  return benchCase.compared ? { ...timing, ...(await besideNumbers(benchCase, rows, returned)) } : timing
}

/** Memory of a training case, and whether both sides' first steps agree. */
async function besideTraining(benchCase, rows) {
  const memory = peakMemory(['training', benchCase.training], rows, ({ case: peerCase, form }) => [
    '--train',
    peerCase,
    form,
  ])
  if ('skipped' in peer) return { memory }
  const difference = await compareFirstStep(peer, benchCase)
  console.log(`  first steps agree to ${difference.parameters.toExponential(0)} in every parameter`)
  return { memory, difference }
}

/** Memory of a sweep, and whether both sides return the same numbers. */
async function besideNumbers({ name }, rows, returned) {
  const memory = peakMemory(['case', name], rows, ({ case: peerCase, form, options }) => [
    '--memory',
    JSON.stringify({ ...options, case: peerCase, form }),
  ])
  const agreement = []
  for (const row of rows.filter(({ other }) => !other)) {
    const { agrees, sentence, ...measured } = await compareNumbers(peer, row, returned)
    console.log(`  ${agrees ? 'agrees ' : 'DIFFERS'} ${sentence} [${row.form} on ${row.setting}]`)
    if (!agrees) process.exitCode = 1
    agreement.push({ form: `${row.form} on ${row.setting}`, agrees, ...measured })
  }
  return { memory, agreement }
}

/** One peer on one BLAS beside ours; only where `judged` its bar counts. */
function compare({ label, target: bar, form, setting, seconds }, own, judged) {
  const theirs = summary(seconds)
  const target = judged ? bar : undefined
  const ratio = { minimum: theirs.minimum / own.minimum, median: theirs.median / own.median }
  const reached = target === undefined ? undefined : ratio.minimum >= target
  const verdict = reached === undefined ? '       ' : reached ? 'reached' : 'SHORT  '
  const ratios = `${ratio.minimum.toFixed(2)} / ${ratio.median.toFixed(2)} (${target === undefined ? 'no bar' : `bar ${target}`})`
  console.log(
    `  ${verdict} ${ratios}  ${label}: ${milliseconds(theirs.minimum)} / ${milliseconds(theirs.median)} [${form} on ${setting}]`,
  )
  return { label, target, form: `${form} on ${setting}`, seconds, ...theirs, ratio, reached }
}

/** Peak memory in fresh processes, over what each held before: ours, and each row's form. */
function peakMemory(ours, rows, peerArguments) {
  const { bytes } = memoryOf(...ours)
  const theirs = rows.map((row) => {
    const { baselineRssMb, peakRssMb } = peer.once(peerArguments(row), row.setting)
    return { form: `${row.form} on ${row.setting}`, bytes: (peakRssMb - baselineRssMb) * 2 ** 20 }
  })
  const list = theirs.map(({ form, bytes }) => `${megabytes(bytes)} [${form}]`).join(', ')
  console.log(`  peak memory: ${megabytes(bytes)}; PyTorch: ${list || 'skipped'}`)
  return { bytes, peers: theirs }
}

/** What memory.mjs measures in a fresh process. */
function memoryOf(mode, what, env = process.env) {
  return JSON.parse(execFileSync(process.execPath, [here('./memory.mjs'), mode, what], { encoding: 'utf8', env }))
}

/** Time to create the session of a 12-layer forward with weights as inputs. */
async function sessionCreation() {
  const backend = createNodeBackend()
  const create = backend.createSession.bind(backend)
  const seconds = []
  backend.createSession = async (...options) => {
    const started = performance.now()
    const session = await create(...options)
    seconds.push((performance.now() - started) / 1000)
    return session
  }
  const model = await loadModel(await gpt2Checkpoint(), { backend })
  // Another length is another graph.
  for (let i = 0; i < (quick ? 3 : 7); i++)
    await model.run([Array.from({ length: 16 + i }, (_, k) => k)], { positions: 'last', residency: 'inputs' })
  await model.dispose()
  await backend.dispose()
  const own = summary(seconds)
  const reached = own.minimum <= 0.15
  report.cases.push({ name: 'session creation', seconds, ...own, bar: 0.15, reached })
  return `session creation, 12 layers, weights as inputs: ${milliseconds(own.minimum)} / ${milliseconds(own.median)} (bar 150 ms) ${reached ? 'reached' : 'SHORT'}`
}

/** Peak memory of a fresh process over its weights. */
async function loadMemory(mode, bar) {
  const { bytes, weightBytes, loadSeconds } = memoryOf(mode, await gpt2Checkpoint(), {
    ...process.env,
    GLIBC_TUNABLES: '',
  })
  const ratio = bytes / weightBytes
  report.cases.push({ name: `memory, ${mode}`, bytes, weightBytes, loadSeconds, ratio, bar, reached: ratio <= bar })
  return `peak memory, ${mode}: ${megabytes(bytes)} = ${ratio.toFixed(2)} x the float32 weights (bar ${bar}) ${ratio <= bar ? 'reached' : 'SHORT'}; load took ${loadSeconds.toFixed(2)} s`
}
