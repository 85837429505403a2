// `npm run bench [-- --quick] [--only TEXT]`: Diopter beside PyTorch, interleaved in one run; a table and bench/results.json.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
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

const { createNodeBackend, loadModel } = await import('../dist/index.js')
const { cases } = await import('./cases.mjs')
const { gpt2Checkpoint } = await import('./gpt2-checkpoint.mjs')
const { startPeer } = await import('./peers/client.mjs')

const quick = process.argv.includes('--quick')
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : undefined
const folder = await gpt2Checkpoint(join(tmpdir(), 'diopter-bench-gpt2-small'))
const peer = await startPeer()
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

async function timed(work) {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}

console.log(
  `GPT-2-small shape, random weights, ${report.threads} threads, ${report.cpu}, Node ${report.node}${quick ? ', quick' : ''}`,
)
console.log('times are minimum / median; ratio = peer time : our time, of minima / of medians\n')
for (const { name, ours, repeats, quick: few, peers } of cases) {
  if (only && !name.includes(only)) continue
  // A model of its own for each case: what other cases compiled takes no memory from this one.
  const model = await loadModel(folder)
  const count = quick ? few : repeats
  // Four runs: a graph is promoted to resident weights after three.
  for (let i = 0; i < 4; i++) await ours(model)
  const seconds = []
  const peerSeconds = peers.map(() => [])
  const peerForms = peers.map(() => '')
  for (let i = 0; i < count; i++) {
    seconds.push(await timed(() => ours(model)))
    if ('skipped' in peer) continue
    for (const [k, { case: peerCase, options }] of peers.entries()) {
      const timing = await peer.time(peerCase, options)
      peerSeconds[k].push(timing.seconds)
      peerForms[k] = `${timing.form} on ${timing.setting}`
    }
  }
  await model.dispose()
  const own = summary(seconds)
  console.log(`${name}: ${milliseconds(own.minimum)} / ${milliseconds(own.median)}`)
  const compared = peers.map(({ label, target }, k) => {
    if (peerSeconds[k].length === 0) return { label, target, skipped: true }
    const theirs = summary(peerSeconds[k])
    const ratio = { minimum: theirs.minimum / own.minimum, median: theirs.median / own.median }
    const reached = ratio.minimum >= target
    console.log(
      `  ${reached ? 'reached' : 'SHORT  '} ${ratio.minimum.toFixed(2)} / ${ratio.median.toFixed(2)} (bar ${target})  ${label}: ${milliseconds(theirs.minimum)} / ${milliseconds(theirs.median)} [${peerForms[k]}]`,
    )
    return { label, target, form: peerForms[k], seconds: peerSeconds[k], ...theirs, ratio, reached }
  })
  report.cases.push({ name, seconds, ...own, peers: compared })
}

if (!only || 'session memory'.includes(only)) {
  console.log(`\n${await sessionCreation()}`)
  for (const [mode, bar] of [
    ['load', 1.3],
    ['resident', 2.4],
  ])
    console.log(memory(mode, bar))
}
if (!('skipped' in peer)) peer.close()
writeFileSync(here('./results.json'), `${JSON.stringify(report, null, 1)}\n`)

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
  const model = await loadModel(folder, { backend })
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
function memory(mode, bar) {
  const { bytes, weightBytes, loadSeconds } = JSON.parse(
    execFileSync(process.execPath, [here('./memory.mjs'), folder, mode], {
      encoding: 'utf8',
      env: { ...process.env, GLIBC_TUNABLES: '' },
    }),
  )
  const ratio = bytes / weightBytes
  report.cases.push({ name: `memory, ${mode}`, bytes, weightBytes, loadSeconds, ratio, bar, reached: ratio <= bar })
  return `peak memory, ${mode}: ${(bytes / 1e6).toFixed(0)} MB = ${ratio.toFixed(2)} x the float32 weights (bar ${bar}) ${ratio <= bar ? 'reached' : 'SHORT'}; load took ${loadSeconds.toFixed(2)} s`
}
